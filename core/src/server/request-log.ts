import type { Outcome, Usage } from "../attempt.ts";
import type { Finished } from "../context.ts";
import type { Exchange } from "../request/exchange.ts";

/** Writes the one line that every request leaves. */
export type RequestLog = (exchange: Exchange, finished: Finished) => void;

/**
 * The facts of a request, without a word of its content. Noted when it is over, and spelled with others when they are
 * written: in a row they cost less than each would alone, between two requests.
 */
export class RequestRecord {
  readonly #endedAt = Date.now();
  readonly #requestId: string;
  readonly #operation: string;
  readonly #model: string;
  readonly #backend: string | undefined;
  readonly #status: number;
  readonly #outcome: Outcome;
  readonly #stream: boolean;
  readonly #attempts: number;
  readonly #durationMs: number;
  readonly #firstTokenMs: number | undefined;
  readonly #usage: Usage | undefined;
  readonly #bytesIn: number;
  readonly #bytesOut: number;
  readonly #key: string | undefined;
  readonly #client: string;
  readonly #dropped: readonly string[] | undefined;
  readonly #error: string | undefined;

  constructor(exchange: Exchange, finished: Finished) {
    this.#requestId = exchange.id;
    this.#operation = exchange.operation.name;
    this.#model = exchange.requestedModel;
    this.#backend = finished.target?.backend.name;
    this.#status = finished.status;
    this.#outcome = finished.outcome;
    this.#stream = exchange.stream;
    this.#attempts = finished.attempts.length;
    this.#durationMs = finished.durationMs;
    this.#firstTokenMs = finished.timeToFirstTokenMs;
    this.#usage = exchange.toldUsage();
    this.#bytesIn = finished.bytesIn;
    this.#bytesOut = finished.bytesOut;
    this.#key = exchange.principal?.id;
    this.#client = exchange.request.clientAddress;
    this.#dropped = exchange.lateDrops();
    this.#error = finished.error?.code;
  }

  /** One line of JSON, durations in whole milliseconds. By hand: names are quoted once, a second is spelled once. */
  toString(): string {
    const usage = this.#usage;
    const model = this.#model === "" ? "" : `,"model":${quote(this.#model)}`;
    const backend = this.#backend === undefined ? "" : `,"backend":${quote(this.#backend)}`;
    const firstToken =
      this.#firstTokenMs === undefined ? "" : `,"firstTokenMs":${Math.round(this.#firstTokenMs)}`;
    const tokens = usage ? `,"inputTokens":${usage.inputTokens},"outputTokens":${usage.outputTokens}` : "";
    const key = this.#key === undefined ? "" : `,"key":${quote(this.#key)}`;
    const dropped = this.#dropped ? `,"dropped":${quote(this.#dropped.join(", "))}` : "";
    const code = this.#error === undefined ? "" : `,"error":${quote(this.#error)}`;
    return `{"time":"${spellTime(this.#endedAt)}","level":"info","message":"request","requestId":"${this.#requestId}","operation":"${this.#operation}"${model}${backend},"status":${this.#status},"outcome":"${this.#outcome}","stream":${this.#stream},"attempts":${this.#attempts},"durationMs":${Math.round(this.#durationMs)}${firstToken}${tokens},"bytesIn":${this.#bytesIn},"bytesOut":${this.#bytesOut}${key},"client":"${this.#client}"${dropped}${code}}`;
  }
}

/** Names in their JSON form. Bounded: clients choose models. */
const quoted = new Map<string, string>();
const MAX_QUOTED = 4_096;

function quote(name: string): string {
  let text = quoted.get(name);
  if (text === undefined) {
    if (quoted.size >= MAX_QUOTED) quoted.clear();
    text = JSON.stringify(name);
    quoted.set(name, text);
  }
  return text;
}

let second = -1;
let secondText = "";

/** RFC 3339, in UTC. */
function spellTime(at: number): string {
  const ms = at % 1000;
  if (at - ms !== second) {
    second = at - ms;
    secondText = new Date(second).toISOString().slice(0, -4);
  }
  return `${secondText}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
}
