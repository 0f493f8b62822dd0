import { performance } from "node:perf_hooks";
import { Connection } from "../connection.ts";

/** One reply, whole. */
export interface Answered {
  /** 0: the connection broke before the end of the reply. */
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

/** Requests of one sort, sent at a constant rate whatever becomes of them. */
export interface Source {
  readonly name: string;
  readonly perSecond: number;
  request(port: number): Buffer;
  /** A few words for what came back. */
  kindOf(answered: Answered): string;
}

/** What came of the requests of one source that were sent within a window. */
export interface Tally {
  sent: number;
  /** How many answers of each kind. */
  readonly kinds: Map<string, number>;
  /** From when a request was due to the end of its reply, in milliseconds, unsorted. */
  readonly latencies: number[];
}

const TICK_MS = 5;
const MAX_CONNECTIONS = 256;

/** Sends from all sources at once. What is sent outside of a window is not counted. */
export class PacedLoad {
  readonly #port: number;
  readonly #lanes: readonly Lane[];
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #tallies: ReadonlyMap<string, Tally> | null = null;
  /** Called for each answer, with when its request was sent. */
  onAnswer: (source: string, kind: string, sentMs: number) => void = () => {};

  constructor(port: number, sources: readonly Source[]) {
    this.#port = port;
    this.#lanes = sources.map((source) => ({ source, due: 0, idle: [], open: 0, opening: 0, waiting: [] }));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  begin(): void {
    this.#tallies = new Map(
      this.#lanes.map(({ source }) => [source.name, { sent: 0, kinds: new Map(), latencies: [] }]),
    );
  }

  /** Answers to what was sent may still come, and are counted. */
  end(): ReadonlyMap<string, Tally> {
    const tallies = this.#tallies!;
    this.#tallies = null;
    return tallies;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { idle } of this.#lanes) for (const connection of idle) connection.close();
  }

  #tick(): void {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#lastMs) / 1_000;
    this.#lastMs = nowMs;
    for (const lane of this.#lanes) {
      for (lane.due += seconds * lane.source.perSecond; lane.due >= 1; lane.due -= 1) {
        const tally = this.#tallies?.get(lane.source.name);
        if (tally) tally.sent += 1;
        lane.waiting.push({ dueMs: nowMs, tally });
      }
      this.#serve(lane);
    }
  }

  #serve(lane: Lane): void {
    while (lane.waiting.length > 0 && lane.idle.length > 0) {
      const connection = lane.idle.pop()!;
      if (connection.isOpen) this.#send(lane, connection);
      else lane.open -= 1;
    }
    while (lane.opening < lane.waiting.length && lane.open < MAX_CONNECTIONS) {
      lane.open += 1;
      lane.opening += 1;
      Connection.open(this.#port).then(
        (connection) => {
          lane.opening -= 1;
          lane.idle.push(connection);
          this.#serve(lane);
        },
        () => {
          lane.opening -= 1;
          lane.open -= 1;
        },
      );
    }
  }

  #send(lane: Lane, connection: Connection): void {
    const { dueMs, tally } = lane.waiting.shift()!;
    const { source } = lane;
    let head = "";
    let body = "";
    connection.send(source.request(this.#port), {
      head: (text) => (head = text),
      body: (bytes) => (body += bytes.toString("latin1")),
      end: (status) => {
        const kind = source.kindOf({ status, head, body });
        if (tally) {
          tally.kinds.set(kind, (tally.kinds.get(kind) ?? 0) + 1);
          tally.latencies.push(performance.now() - dueMs);
        }
        this.onAnswer(source.name, kind, dueMs);
        lane.idle.push(connection);
        this.#serve(lane);
      },
    });
  }
}

interface Lane {
  readonly source: Source;
  /** Requests that time has earned, parts of one included. */
  due: number;
  readonly idle: Connection[];
  open: number;
  /** Of these, not connected yet. */
  opening: number;
  readonly waiting: { readonly dueMs: number; readonly tally: Tally | undefined }[];
}
