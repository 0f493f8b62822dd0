import { parseJson, stringifyJson } from "../body/exact-json.ts";
import { findMember, glanceJson, isMemberText, type JsonGlance } from "../body/json-text.ts";
import { GatewayError } from "../errors.ts";
import type { JsonObject, StreamFailure, StreamRules } from "../operation.ts";
import { nameModel, withModel, withoutUsage } from "./edit-event.ts";
import { EventPipe, type EventPipeOwner, type PipedEvent } from "./event-pipe.ts";
import { NdjsonDecoder } from "./ndjson-decoder.ts";
import { SseDecoder, type PlainEventTaker, type SseBlock } from "./sse-decoder.ts";
import { malformedStream } from "./stream-error.ts";
import type { StreamDecoder, StreamFraming } from "../adapter.ts";
import type { Usage } from "../attempt.ts";

/** What the relay tells the attempt that feeds it. */
export interface RelayOwner extends EventPipeOwner {
  /** The first content event arrived, or the stream ended whole without any. */
  onCommit(): void;
  onUsage(usage: Usage): void;
  /** What an error is that the backend reports in its stream. `event` is the backend's own, where nothing translated it. */
  toError(failure: StreamFailure, event?: JsonObject): GatewayError;
}

/** Reads upstream events that are not in the operation's own dialect. */
export interface EventTranslator {
  readonly format: "sse" | "ndjson" | StreamFraming;
  /** The upstream's answer is complete, though its last events here are not out yet. */
  readonly whole: boolean;
  /** It tells the usage itself, as the backend told it. */
  readonly countsUsage: boolean;
  translate(json: JsonObject, type: string | undefined): readonly JsonObject[];
  /** What is left to say once the upstream said its last. */
  end(): readonly JsonObject[];
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

/**
 * Reads an upstream event stream. It checks each event (a broken one ends the stream), finds the commit point, the
 * finish and the usage, translates where dialects differ, and passes the bytes of an unchanged event as they came.
 * Fed by an attempt through `push`, `end` and `fail`; whoever takes the reply gets `stream`.
 */
export class EventRelay {
  readonly stream: EventPipe;
  readonly #options: EventRelayOptions;
  readonly #rules: StreamRules;
  readonly #sse: SseDecoder | undefined;
  readonly #ndjson: NdjsonDecoder | undefined;
  readonly #framed: StreamDecoder | undefined;
  readonly #finishMember: Uint8Array | undefined;
  readonly #toText: (json: JsonObject) => string;
  #flushing = false;
  #committed = false;
  #finishes = 0;
  #usage: Usage | undefined;
  #terminated = false;
  #translationEnded = false;

  constructor(options: EventRelayOptions) {
    this.stream = new EventPipe(options.owner, false);
    this.#options = options;
    this.#rules = options.rules;
    const { finishMember, createText } = options.rules;
    this.#toText = createText && options.translator ? createText() : stringifyJson;
    if (finishMember !== undefined) this.#finishMember = bytesOf(finishMember);
    const format = options.translator?.format ?? "sse";
    if (format === "sse") this.#sse = new SseDecoder();
    else if (format === "ndjson") this.#ndjson = new NdjsonDecoder();
    else this.#framed = format.create();
  }

  /** The answer is whole: every choice finished, or the terminator seen. */
  get whole(): boolean {
    return (
      this.#terminated || this.#finishes >= this.#options.answers || this.#options.translator?.whole === true
    );
  }

  /** Throws a `GatewayError` when the chunk holds an event that is not one, or that reports an error. */
  push(chunk: Uint8Array): void {
    if (this.stream.closed) return;
    if (this.#sse) this.#sse.push(chunk, this.#onBlock, this.#takePlain);
    else if (this.#ndjson) this.#ndjson.push(chunk, (line) => this.#onLine(line));
    else this.#framed!.push(chunk, (json, type) => this.#onFramed(json, type));
    if (this.#flushing) return;
    this.#flushing = true;
    flushSoon(this);
  }

  /** The upstream body ended. Throws when it was not whole. */
  end(): void {
    if (this.stream.closed) return;
    if (this.#sse) this.#sse.end(this.#onBlock);
    else if (this.#ndjson) this.#ndjson.end((line) => this.#onLine(line));
    else this.#framed!.end((json, type) => this.#onFramed(json, type));
    this.#endTranslation();
    if (!this.whole)
      throw new GatewayError(this.#committed ? "upstream_interrupted" : "provider_error", {
        message: "The backend ended the stream before its answer was complete",
        upstream: { kind: "truncated", sent: true },
      });
    this.#terminate();
    this.#commit();
    this.stream.end();
  }

  fail(error: GatewayError): void {
    this.stream.fail(error);
  }

  /** Hands on what was read since the last time. */
  flush(): void {
    this.#flushing = false;
    this.stream.flush();
  }

  /**
   * Lets an event pass as it came that says nothing but more content: read strictly, but neither parsed nor copied.
   * Whatever else there may be to it is left to the ordinary way.
   */
  readonly #takePlain: PlainEventTaker = (buffer, start, end, dataStart, dataEnd) => {
    if (!this.#finishMember || !this.#committed || this.#terminated || this.#options.translator) return false;
    if (buffer[dataStart] !== OPEN_BRACE) return false;
    const event = glance(buffer, dataStart, dataEnd, this.#finishMember);
    if (event.watched || !isMemberText(buffer, event, "model", this.#options.model)) return false;
    if (findMember(buffer, event, "error") >= 0 || findMember(buffer, event, "usage") >= 0) return false;
    this.stream.passRaw(buffer, start, end, dataStart, dataEnd);
    return true;
  };

  readonly #onBlock = (block: SseBlock): void => {
    if (block.data === null || block.data === "") {
      if (this.#options.translator) return;
      this.stream.push({ raw: block.raw, data: "", json: undefined });
      this.#boundHeld();
      return;
    }
    const translator = this.#options.translator;
    // With blanks around it, too: it could be nothing else.
    if (block.data.trim() === "[DONE]") {
      this.#endTranslation();
      // Of a dialect without a terminator it says nothing.
      if (!translator || this.#rules.terminator !== null) this.#terminate();
      return;
    }
    const json = parseEvent(block.data);
    if (translator) this.#translated(translator.translate(json, block.type));
    else this.#accept(json, block.type, block.raw, block.data);
  };

  #onLine(line: string): void {
    this.#translated(this.#options.translator!.translate(parseEvent(line), undefined));
  }

  #onFramed(json: JsonObject, type?: string): void {
    this.#translated(this.#options.translator!.translate(json, type));
  }

  #translated(events: readonly JsonObject[]): void {
    const { eventName } = this.#rules;
    for (const json of events) this.#accept(json, eventName?.(json), undefined, undefined);
  }

  #endTranslation(): void {
    const { translator } = this.#options;
    if (!translator || this.#translationEnded) return;
    this.#translationEnded = true;
    this.#translated(translator.end());
  }

  #accept(
    json: JsonObject,
    type: string | undefined,
    raw: Buffer | undefined,
    data: string | undefined,
  ): void {
    const rules = this.#rules;
    const { owner, translator } = this.#options;
    const failure = rules.error?.(json, type);
    // Before the commit point nobody has seen anything: then it is a failed attempt like any other.
    const isLast = failure?.told === true && this.#committed && !this.#terminated;
    if (failure && !isLast)
      throw owner.toError({ ...failure, told: false }, translator === undefined ? json : undefined);
    if (this.#terminated) return;
    if (json["usage"] !== undefined || rules.finishMember === undefined) this.#readUsage(json, type);
    const hidesUsage = this.#options.hideUsage && json["usage"] !== undefined;
    if (hidesUsage && isUsageOnly(json)) return;
    this.stream.push(
      data === undefined
        ? this.#write(json, type, hidesUsage)
        : this.#edit({ raw, data, type, json }, hidesUsage),
    );
    if (failure) throw owner.toError(failure);
    const finishes = rules.finishes(json, type);
    if (finishes > 0) {
      this.#finishes += finishes;
      this.#commit();
    } else if (!this.#committed && rules.isContent(json, type)) this.#commit();
    this.#boundHeld();
  }

  /** Before the commit point nobody takes anything, and the backend cannot be made to wait: only its end helps. */
  #boundHeld(): void {
    if (!this.#committed && this.stream.heldBytes > MAX_HELD_BYTES)
      throw malformedStream("The backend sent too much before the first content of its stream");
  }

  /** A translated event: there is no text of it yet. */
  #write(json: JsonObject, type: string | undefined, hidesUsage: boolean): PipedEvent {
    const shown = hidesUsage ? { ...json, usage: undefined } : json;
    const named = nameModel(shown, this.#rules.modelAt, this.#options.model);
    return { raw: undefined, data: this.#toText(named), type, json: named };
  }

  /** An event that came in the client's dialect: what is not changed stays as it came. */
  #edit(event: PipedEvent, hidesUsage: boolean): PipedEvent {
    const shown = hidesUsage ? withoutUsage(event) : event;
    return withModel(shown, this.#rules.modelAt, this.#options.model);
  }

  #readUsage(json: JsonObject, type: string | undefined): void {
    if (this.#options.translator?.countsUsage) return;
    const usage = this.#rules.usage?.(json, type, this.#usage);
    if (usage) this.#options.owner.onUsage((this.#usage = usage));
  }

  #terminate(): void {
    if (this.#terminated) return;
    this.#terminated = true;
    const { terminator } = this.#rules;
    if (terminator !== null) this.stream.push({ data: terminator, json: undefined });
    this.#commit();
  }

  #commit(): void {
    if (this.#committed) return;
    this.#committed = true;
    this.stream.offer();
    this.#options.owner.onCommit();
  }
}

/**
 * Held of a stream before its first content. The Responses API repeats the request's instructions twice by then: a
 * million tokens of them are some 4 MB.
 */
const MAX_HELD_BYTES = 12 * 1024 * 1024;

function glance(buffer: Buffer, start: number, end: number, watch: Uint8Array): JsonGlance {
  try {
    return glanceJson(buffer, start, end, watch);
  } catch {
    throw malformedStream(NOT_JSON);
  }
}

/** Waiting for it costs less than a microtask of Node's, which carries the context of asynchronous calls. */
const SOON = Promise.resolve();
/** With something to hand on. */
let fed: EventRelay[] = [];

/** Chunks that came in one packet are handed over one by one, in one go: they leave in one piece as well. */
function flushSoon(relay: EventRelay): void {
  if (fed.push(relay) === 1) void SOON.then(flushFed);
}

function flushFed(): void {
  const relays = fed;
  fed = [];
  for (const relay of relays) relay.flush();
}

/** Names of members as bytes: there are a few, of the operations. */
const memberBytes = new Map<string, Uint8Array>();

function bytesOf(member: string): Uint8Array {
  let bytes = memberBytes.get(member);
  if (!bytes) memberBytes.set(member, (bytes = Buffer.from(member)));
  return bytes;
}

const OPEN_BRACE = 0x7b;
const NOT_JSON = "The backend sent a stream event that is not JSON";

function parseEvent(data: string): JsonObject {
  try {
    const json = parseJson(data);
    if (typeof json === "object" && json !== null) return json as JsonObject;
  } catch {
    // Falls through: the message must not quote what the backend sent.
  }
  throw malformedStream(NOT_JSON);
}

function isUsageOnly(json: JsonObject): boolean {
  return Array.isArray(json["choices"]) && json["choices"].length === 0 && json["usage"] !== null;
}
