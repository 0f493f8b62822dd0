import { editJson, scanJson } from "../body/json-text.ts";
import { GatewayError } from "../errors.ts";
import type { JsonObject, StreamRules } from "../operation.ts";
import type { BodySink } from "../reply.ts";
import type { EventStream, EventTransform, StreamEvent, StreamObserver } from "./event-stream.ts";
import { NdjsonDecoder } from "./ndjson-decoder.ts";
import { SseDecoder, writeSse, type SseBlock } from "./sse-decoder.ts";
import type { Usage } from "../attempt.ts";

/** What the relay tells the attempt that feeds it. */
export interface RelayOwner {
  /** The first content event arrived, or the stream ended whole without any. */
  onCommit(): void;
  onUsage(usage: Usage): void;
  /** The consumer gave up. */
  onCancel(): void;
  /** What is held back passed its bound (`pause`) or has drained. */
  onPressure(pause: boolean): void;
}

/** Reads upstream events that are not in the operation's own dialect. */
export interface EventTranslator {
  readonly format: "sse" | "ndjson";
  translate(json: JsonObject, type: string | undefined): readonly JsonObject[];
}

export interface EventRelayOptions {
  rules: StreamRules;
  owner: RelayOwner;
  translator?: EventTranslator;
  /** How many answers (choices) the stream carries side by side. */
  answers: number;
  /** The name that the client asked for: written wherever an event names another model. */
  model: string;
  /** Usage was asked for on the client's behalf: take it out again. */
  hideUsage: boolean;
}

/** An event between the parse and the consumer. `raw` is present while its bytes need not change. */
interface Held {
  raw: Buffer | undefined;
  data: string;
  type: string | undefined;
  json: JsonObject | undefined;
}

/** One plugin's part in the stream, in the order in which it was added. */
interface Stage {
  observer?: StreamObserver;
  transform?: EventTransform;
}

/** Bytes held back until the consumer starts, or while it is slow; beyond, reading upstream pauses. */
const HIGH_WATER_BYTES = 256 * 1024;

/**
 * The way of an event stream from the backend to whoever takes the reply. It checks each event (a broken one ends the
 * stream), finds the commit point, the finish and the usage, translates where dialects differ, and passes the bytes
 * of an unchanged event as they came. Fed by an attempt through `push`, `end` and `fail`.
 */
export class EventRelay implements EventStream {
  readonly kind = "events";
  readonly #options: EventRelayOptions;
  readonly #rules: StreamRules;
  readonly #sse: SseDecoder | undefined;
  readonly #ndjson: NdjsonDecoder | undefined;
  #stages: Stage[] | undefined;
  #sink: BodySink | undefined;
  #held: Held[] = [];
  #heldBytes = 0;
  #pausedUpstream = false;
  #committed = false;
  #finishes = 0;
  #terminated = false;
  /** Set once the upstream side is over: how. */
  #ended: { error?: GatewayError } | undefined;
  #closed = false;
  /** Unchanged blocks that stand side by side in one chunk leave as one write. */
  #run: { chunk: Buffer; start: number; end: number } | undefined;
  #out: (Buffer | string)[] = [];

  constructor(options: EventRelayOptions) {
    this.#options = options;
    this.#rules = options.rules;
    if (options.translator?.format === "ndjson") this.#ndjson = new NdjsonDecoder();
    else this.#sse = new SseDecoder();
  }

  /** The answer is whole: every choice finished, or the terminator seen. */
  get whole(): boolean {
    return this.#terminated || this.#finishes >= this.#options.answers;
  }

  get committed(): boolean {
    return this.#committed;
  }

  // --- fed by the attempt

  /** Throws a `GatewayError` when the chunk holds an event that is not one, or that reports an error. */
  push(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#sse) this.#sse.push(chunk, this.#onBlock);
    else this.#ndjson!.push(chunk, this.#onLine);
    this.#flush();
  }

  /** The upstream body ended. Throws when it was not whole. */
  end(): void {
    if (this.#closed) return;
    if (this.#sse) this.#sse.end(this.#onBlock);
    else this.#ndjson!.end(this.#onLine);
    if (!this.whole)
      throw new GatewayError("upstream_interrupted", {
        message: "The backend ended the stream before its answer was complete",
        upstream: { kind: "truncated", sent: true },
      });
    this.#terminate();
    this.#commit();
    this.#ended = {};
    this.#flush();
    this.#settle();
  }

  /** The stream is broken: the consumer is told after what came before it. */
  fail(error: GatewayError): void {
    if (this.#closed || this.#ended) return;
    this.#ended = { error };
    this.#flush();
    this.#settle();
  }

  // --- the consumer's side

  observe(observer: StreamObserver): void {
    (this.#stages ??= []).push({ observer });
  }

  transform(transform: EventTransform): void {
    (this.#stages ??= []).push({ transform });
  }

  start(sink: BodySink): void {
    if (this.#sink || this.#closed) throw new Error("a stream is started once");
    this.#sink = sink;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const event of held) this.#deliver(event);
    this.#flush();
    if (this.#pausedUpstream) {
      this.#pausedUpstream = false;
      this.#options.owner.onPressure(false);
    }
    this.#settle();
  }

  pause(): void {
    this.#options.owner.onPressure(true);
  }

  resume(): void {
    this.#options.owner.onPressure(false);
  }

  cancel(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = [];
    this.#options.owner.onCancel();
  }

  // --- one event

  readonly #onBlock = (block: SseBlock): void => {
    if (block.data === null) {
      if (!this.#options.translator)
        this.#pass({ raw: block.raw, data: "", type: undefined, json: undefined });
      return;
    }
    if (block.data === "[DONE]") {
      this.#terminate();
      return;
    }
    const json = parseEvent(block.data);
    const translator = this.#options.translator;
    if (translator) this.#translated(translator.translate(json, block.type));
    else this.#accept(json, block.type, block.raw, block.data);
  };

  readonly #onLine = (line: string): void => {
    this.#translated(this.#options.translator!.translate(parseEvent(line), undefined));
  };

  #translated(events: readonly JsonObject[]): void {
    for (const json of events) this.#accept(json, undefined, undefined, undefined);
  }

  #accept(
    json: JsonObject,
    type: string | undefined,
    raw: Buffer | undefined,
    data: string | undefined,
  ): void {
    const rules = this.#rules;
    const failure = rules.error?.(json, type);
    if (failure) throw toStreamError(failure);
    if (this.#terminated) return;
    let event: Held = { raw, data: data ?? "", type, json };
    if (json["usage"] !== undefined && rules.usage) {
      const usage = rules.usage(json, type);
      if (usage) this.#options.owner.onUsage(usage);
      if (this.#options.hideUsage) {
        if (isUsageOnly(json)) return;
        event = withFields(event, { usage: undefined });
      }
    }
    const { model } = this.#options;
    if (json["model"] !== model && typeof json["model"] === "string") event = withFields(event, { model });
    const response = json["response"] as JsonObject | undefined;
    if (typeof response?.["model"] === "string" && response["model"] !== model)
      event = withFields(event, { response: { ...response, model } });
    if (event.raw === undefined && data === undefined) event.data = JSON.stringify(event.json);
    this.#pass(event);
    const finishes = rules.finishes(json, type);
    if (finishes > 0) {
      this.#finishes += finishes;
      this.#commit();
    } else if (!this.#committed && rules.isContent(json, type)) this.#commit();
  }

  #terminate(): void {
    if (this.#terminated) return;
    this.#terminated = true;
    const { terminator } = this.#rules;
    if (terminator !== null)
      this.#pass({ raw: undefined, data: terminator, type: undefined, json: undefined });
    this.#commit();
  }

  #commit(): void {
    if (this.#committed) return;
    this.#committed = true;
    this.#options.owner.onCommit();
  }

  #pass(event: Held): void {
    if (this.#sink) {
      this.#deliver(event);
      return;
    }
    this.#held.push(event);
    this.#heldBytes += event.raw?.length ?? event.data.length;
    if (this.#heldBytes > HIGH_WATER_BYTES && this.#committed && !this.#pausedUpstream) {
      this.#pausedUpstream = true;
      this.#options.owner.onPressure(true);
    }
  }

  #deliver(held: Held): void {
    if (!this.#stages || isComment(held)) {
      this.#write(held);
      return;
    }
    let events: readonly StreamEvent[] = [held];
    for (const stage of this.#stages) {
      if (stage.transform) events = events.flatMap((event) => stage.transform!(event) ?? []);
      else for (const event of events) stage.observer!.event?.(event);
    }
    for (const event of events)
      this.#write(
        event === held ? held : { raw: undefined, data: event.data, type: event.type, json: undefined },
      );
  }

  #write(event: Held): void {
    const { raw } = event;
    if (!raw) {
      this.#flushRun();
      this.#out.push(writeSse(event.data, event.type));
      return;
    }
    const run = this.#run;
    if (run && run.chunk.buffer === raw.buffer && run.end === raw.byteOffset) {
      run.end = raw.byteOffset + raw.length;
      return;
    }
    this.#flushRun();
    this.#run = { chunk: raw, start: raw.byteOffset, end: raw.byteOffset + raw.length };
  }

  #flushRun(): void {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    this.#out.push(Buffer.from(run.chunk.buffer, run.start, run.end - run.start));
  }

  #flush(): void {
    if (!this.#sink) return;
    this.#flushRun();
    const out = this.#out;
    if (out.length === 0) return;
    this.#out = [];
    for (const piece of out) this.#sink.data(typeof piece === "string" ? Buffer.from(piece) : piece);
  }

  #settle(): void {
    if (!this.#ended || !this.#sink || this.#closed) return;
    this.#closed = true;
    const { error } = this.#ended;
    for (const { observer } of this.#stages ?? []) {
      if (error) observer?.fail?.(error);
      else observer?.end?.();
    }
    if (error) this.#sink.fail(error);
    else this.#sink.end();
  }
}

function isComment(event: Held): boolean {
  return event.data === "" && event.json === undefined;
}

function parseEvent(data: string): JsonObject {
  try {
    const json = JSON.parse(data) as unknown;
    if (typeof json === "object" && json !== null) return json as JsonObject;
  } catch {
    // Falls through: the message must not quote what the backend sent.
  }
  throw new GatewayError("provider_error", {
    message: "The backend sent a stream event that is not JSON",
    upstream: { kind: "malformed", sent: true },
  });
}

function toStreamError(failure: { message: string; code?: string; status?: number }): GatewayError {
  return new GatewayError("provider_error", {
    message: "The backend reported an error in its stream",
    upstream: { kind: "stream_error", sent: true, code: failure.code, status: failure.status },
  });
}

function isUsageOnly(json: JsonObject): boolean {
  return Array.isArray(json["choices"]) && json["choices"].length === 0 && json["usage"] !== null;
}

/** The event with members changed, or removed by undefined; all its other bytes as they came. */
function withFields(event: Held, fields: JsonObject): Held {
  const json = { ...event.json, ...fields };
  if (event.data === "") return { ...event, json };
  const edits: Record<string, string | undefined> = {};
  for (const name of Object.keys(fields))
    edits[name] = fields[name] === undefined ? undefined : JSON.stringify(fields[name]);
  const text = Buffer.from(event.data);
  const data = editJson(text, scanJson(text), edits).toString("utf8");
  return { raw: undefined, data, type: event.type, json };
}
