import { isBodyStream, isEventStream } from "gatewright";
import type { JsonObject, Reply } from "gatewright";
import type { StoredAnswer, StoredEvent } from "./stored-answer.ts";

export interface RecordingRules {
  readonly maxBytes: number;
  mayKeep(json: JsonObject, isEvent: boolean): boolean;
}

/**
 * Takes an answer down while it goes its way. `done` is called at most once: with the body of a whole answer that may
 * be kept, or with nothing. A stream that its client leaves ends without a call.
 */
export function recordAnswer(
  { status, body }: Reply,
  rules: RecordingRules,
  done: (body?: StoredAnswer["body"]) => void,
): void {
  if (status !== 200 || body === null) done();
  else if (isEventStream(body)) body.observe(new EventRecorder(rules, done));
  else if (isBodyStream(body)) done();
  else done(readWhole(body, rules));
}

function readWhole(body: Uint8Array | string, { maxBytes, mayKeep }: RecordingRules): string | undefined {
  if (Buffer.byteLength(body) > maxBytes) return undefined;
  const text = typeof body === "string" ? body : Buffer.from(body).toString();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Plain text, as some operations give it: nothing says that it is whole.
    return undefined;
  }
  return isObject(json) && mayKeep(json, false) ? text : undefined;
}

class EventRecorder {
  readonly #rules: RecordingRules;
  readonly #done: (body?: StoredEvent[]) => void;
  /** Undefined once the answer is given up. */
  #events: StoredEvent[] | undefined = [];
  #bytes = 0;

  constructor(rules: RecordingRules, done: (body?: StoredEvent[]) => void) {
    this.#rules = rules;
    this.#done = done;
  }

  event({ type, data, json }: { type?: string; data: string; json: unknown }): void {
    if (!this.#events) return;
    this.#bytes += Buffer.byteLength(data);
    if (this.#bytes > this.#rules.maxBytes || (isObject(json) && !this.#rules.mayKeep(json, true)))
      this.#giveUp();
    else this.#events.push(type === undefined ? { data } : { type, data });
  }

  end(): void {
    if (this.#events) this.#done(this.#events);
  }

  fail(): void {
    this.#giveUp();
  }

  #giveUp(): void {
    if (!this.#events) return;
    this.#events = undefined;
    this.#done();
  }
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
