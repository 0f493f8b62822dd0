import { asBuffer } from "./as-buffer.ts";
import { parseJson } from "./body/exact-json.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./operation.ts";
import { isBodyStream, type Reply } from "./reply.ts";
import { EventPipe, type PipedEvent } from "./stream/event-pipe.ts";
import { isEventStream } from "./stream/event-stream.ts";

/** An event of a recorded stream. */
export interface RecordedEvent {
  readonly type?: string | undefined;
  readonly data: string;
}

/** A whole answer as plain data: the text of its body, or the events of its stream. */
export interface ReplyRecord {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | readonly RecordedEvent[];
}

export interface RecordingRules {
  /** A longer answer is given up, in bytes. */
  readonly maxBytes: number;
  /** Whether a JSON reply, or one event of a stream, lets the answer be kept. Absent: all do. */
  mayKeep?(json: JsonObject, isEvent: boolean): boolean;
}

/**
 * Takes an answer down while it goes its way. `done` is called at most once: with the body of a whole answer that may
 * be kept, or with nothing, as for bytes that flow. A stream that its client leaves ends without a call.
 */
export function recordReply(
  { body }: Reply,
  rules: RecordingRules,
  done: (body?: ReplyRecord["body"]) => void,
): void {
  if (isEventStream(body)) body.observe(new EventRecorder(rules, done));
  else if (body === null || isBodyStream(body)) done();
  else done(readWhole(body, rules));
}

/** The answer again. Each call makes a reply of its own. */
export function replayReply({ status, headers, body }: ReplyRecord): Reply {
  return { status, headers: { ...headers }, body: typeof body === "string" ? body : replay(body) };
}

function readWhole(body: Uint8Array | string, { maxBytes, mayKeep }: RecordingRules): string | undefined {
  if (Buffer.byteLength(body) > maxBytes) return undefined;
  const text = typeof body === "string" ? body : asBuffer(body).toString("utf8");
  if (!mayKeep) return text;
  let json: unknown;
  try {
    json = parseJson(text);
  } catch {
    // Plain text, as some operations give it: nothing says that it is whole.
    return undefined;
  }
  return isJsonObject(json) && mayKeep(json, false) ? text : undefined;
}

class EventRecorder {
  readonly #rules: RecordingRules;
  readonly #done: (body?: RecordedEvent[]) => void;
  /** Undefined once the answer is given up. */
  #events: RecordedEvent[] | undefined = [];
  #bytes = 0;

  constructor(rules: RecordingRules, done: (body?: RecordedEvent[]) => void) {
    this.#rules = rules;
    this.#done = done;
  }

  event({ type, data, json }: { type?: string; data: string; json: unknown }): void {
    if (!this.#events) return;
    const { maxBytes, mayKeep } = this.#rules;
    this.#bytes += Buffer.byteLength(data);
    if (this.#bytes > maxBytes || (mayKeep && isJsonObject(json) && !mayKeep(json, true))) this.#giveUp();
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

/** All events are at hand, so there is nothing to pause and nothing to give up. */
const NO_OWNER = { onCancel(): void {}, onPressure(): void {} };

function replay(events: readonly RecordedEvent[]): EventPipe {
  const pipe = new EventPipe(NO_OWNER);
  for (const event of events) pipe.push(toPipedEvent(event));
  pipe.end();
  return pipe;
}

/** Parsed only when a plugin looks at it. Terminators such as `[DONE]` are not JSON. */
function toPipedEvent({ type, data }: RecordedEvent): PipedEvent {
  return {
    ...(type !== undefined && { type }),
    data,
    get json(): unknown {
      return data.startsWith("{") ? parseJson(data) : undefined;
    },
  };
}
