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
  readonly #feeds: readonly Feed[];
  readonly #timer: NodeJS.Timeout;
  #lastMs = performance.now();
  #tallies: ReadonlyMap<string, Tally> | null = null;
  /** Called for each answer, with when its request was sent. */
  onAnswer: (source: string, kind: string, sentMs: number) => void = () => {};

  constructor(port: number, sources: readonly Source[]) {
    this.#port = port;
    this.#feeds = sources.map((source) => ({ source, due: 0, idle: [], open: 0, opening: 0, waiting: [] }));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  begin(): void {
    this.#tallies = new Map(
      this.#feeds.map(({ source }) => [source.name, { sent: 0, kinds: new Map(), latencies: [] }]),
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
    for (const { idle } of this.#feeds) for (const connection of idle) connection.close();
  }

  #tick(): void {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#lastMs) / 1_000;
    this.#lastMs = nowMs;
    for (const feed of this.#feeds) {
      for (feed.due += seconds * feed.source.perSecond; feed.due >= 1; feed.due -= 1) {
        const tally = this.#tallies?.get(feed.source.name);
        if (tally) tally.sent += 1;
        feed.waiting.push({ dueMs: nowMs, tally });
      }
      this.#serve(feed);
    }
  }

  #serve(feed: Feed): void {
    while (feed.waiting.length > 0 && feed.idle.length > 0) {
      const connection = feed.idle.pop()!;
      if (connection.isOpen) this.#send(feed, connection);
      else feed.open -= 1;
    }
    while (feed.opening < feed.waiting.length && feed.open < MAX_CONNECTIONS) {
      feed.open += 1;
      feed.opening += 1;
      Connection.open(this.#port).then(
        (connection) => {
          feed.opening -= 1;
          feed.idle.push(connection);
          this.#serve(feed);
        },
        () => {
          feed.opening -= 1;
          feed.open -= 1;
        },
      );
    }
  }

  #send(feed: Feed, connection: Connection): void {
    const { dueMs, tally } = feed.waiting.shift()!;
    const { source } = feed;
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
        feed.idle.push(connection);
        this.#serve(feed);
      },
    });
  }
}

/** A source, its connections, and what waits for one. */
interface Feed {
  readonly source: Source;
  /** Requests that time has earned, parts of one included. */
  due: number;
  readonly idle: Connection[];
  open: number;
  /** Of these, not connected yet. */
  opening: number;
  readonly waiting: { readonly dueMs: number; readonly tally: Tally | undefined }[];
}
