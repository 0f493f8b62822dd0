import type { StreamMapping } from "../adapter.ts";
import type { Attempt, Outcome, Usage } from "../attempt.ts";
import { stringifyJson } from "../body/exact-json.ts";
import { editJson } from "../body/json-text.ts";
import { JsonTextView, viewOf, type JsonView } from "../body/json-view.ts";
import { GatewayError, isGatewayError, type UpstreamFailure } from "../errors.ts";
import type { JsonObject } from "../operation.ts";
import { isAbsent } from "../operations/openai-dialect.ts";
import type { BodySink, Reply } from "../reply.ts";
import { timeoutError, type Exchange } from "../request/exchange.ts";
import { ByteRelay } from "../stream/byte-relay.ts";
import { EventRelay, type RelayOwner } from "../stream/event-relay.ts";
import type { Target } from "../target.ts";
import { AnswerCount, estimateAnswer, estimatePrompt } from "../token-estimate.ts";
import type {
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
} from "../transport/transport.ts";
import { authorizeRequest, unauthorized } from "./authorize.ts";
import type { CallPlan } from "./call-plan.ts";
import { blameFor, isBroken, latenessOf } from "./lateness.ts";
import type { TranslatedCall } from "./translated-call.ts";
import {
  fromErrorBody,
  fromErrorReply,
  fromTransportFailure,
  malformedReply,
  type Hidden,
} from "./upstream-error.ts";

type Headers = Record<string, string | string[] | undefined>;

/** What is sent, and what is needed to read the answer. */
export interface PreparedCall {
  plan: CallPlan;
  request: TransportRequest;
  /** Present where the backend speaks another dialect than the client. */
  translated: TranslatedCall | undefined;
  /** What was left out on either way so far. */
  dropped: ReadonlySet<string> | undefined;
  /** The client's request. */
  body: JsonView;
  /** The gateway asked for usage in the stream; the client did not. */
  hideUsage: boolean;
  /** The request can be sent again as it is. */
  replayable: boolean;
}

/** Reply headers of a backend that go on to the client. Its limits, cookies and names of servers do not. */
const PASSED_HEADERS = ["content-type", "content-disposition", "etag", "last-modified", "content-language"];

/** What whole replies are held to. */
export interface ReplyLimits {
  readonly maxReplyBytes: number;
  /** Of one that is read. */
  readonly maxReplyDepth: number;
}

/** The unit of `JsonFields.weight`. */
const BYTES_PER_NUMBER = 8;

/** So much of a stream is kept until its usage is known: in its place the texts in it are counted. */
const SAMPLE_BYTES = 4 * 1024;

const LF = 0x0a;

/** Most of an error body that is read. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * The stages of an attempt: waiting for headers; reading an error or a whole reply; waiting for the first content of a
 * stream; relaying what follows; over.
 */
type Phase = "headers" | "error" | "whole" | "firstToken" | "relay" | "over";

/** One upstream call from dispatch to its last byte: the state machine between transport and reply. */
export class AttemptRun implements Attempt, TransportHandler, RelayOwner {
  readonly number: number;
  readonly target: Target;
  readonly startedAt = performance.now();
  timeToFirstByteMs: number | undefined;
  timeToFirstTokenMs: number | undefined;
  durationMs: number | undefined;
  status: number | undefined;
  outcome: Outcome | "cancelled" | undefined;
  error: GatewayError | undefined;

  /** So many of what was dropped stand in the reply's header. */
  #toldDrops = Infinity;
  #usage: Usage | undefined;
  #usageSource: JsonView | undefined;
  /** A whole reply that told no usage. */
  #uncounted: JsonView | undefined;
  /** The beginning of a stream, as it came. */
  #sample: Buffer | undefined;
  #sampleBytes = 0;
  readonly #exchange: Exchange;
  readonly #prepared: PreparedCall;
  readonly #limits: ReplyLimits;
  /** Absent while headers of authorisation are made. */
  #call: TransportCall | undefined;
  #phase: Phase = "headers";
  #lastActivityAt = this.startedAt;
  /** The backend alone is waited for since then: what was at hand of the request is on its way. */
  #handedAt = this.startedAt;
  /** Until a connection was free, as far as the sweeper saw. */
  #queuedMs = 0;
  /** For the upload, before this attempt. */
  readonly #waitedBeforeMs: number;
  /** Data came since the limits were looked at last: cheaper than asking the clock for each chunk. */
  #heard = false;
  #committedAt = 0;
  /** The client is slow. Only after the commit point. */
  #paused = false;
  #headers: Headers = {};
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #events: EventRelay | undefined;
  #opaque: ByteRelay | undefined;
  #resolve!: (reply: Reply) => void;
  #reject!: (error: GatewayError) => void;
  #listeners: ((attempt: Attempt) => void)[] | undefined;
  #resent = false;
  /** Runs while headers of authorisation are made. */
  #authorizing: AbortController | undefined;
  /** The 401 after which a fresh token was asked for. */
  #refused: GatewayError | undefined;

  constructor(exchange: Exchange, target: Target, prepared: PreparedCall, limits: ReplyLimits) {
    this.#exchange = exchange;
    this.target = target;
    this.#prepared = prepared;
    this.#limits = limits;
    this.#waitedBeforeMs = exchange.uploadWaitMs(this.startedAt);
    this.number = exchange.attempts.push(this);
    target.inFlight++;
  }

  /** Sends the request. Resolves at the commit point (streams), with the first byte (audio), or with the whole reply. */
  run(): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.target.backend.adapter.authorize) void this.#authorizeAndSend();
      else this.#send();
    });
  }

  #send(): void {
    const { request } = this.#prepared;
    const { body } = request;
    const isUpload = typeof body === "object" && body !== null && Symbol.asyncIterator in body;
    this.#call = this.target.backend.transport.send(
      isUpload ? { ...request, body: this.#handOver(body) } : request,
      this,
    );
  }

  async *#handOver(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#handedAt = performance.now();
      yield chunk;
    }
    this.#handedAt = performance.now();
  }

  async #authorizeAndSend(): Promise<void> {
    const controller = new AbortController();
    this.#authorizing = controller;
    const { request, plan } = this.#prepared;
    const refused = this.#refused;
    let authorized: TransportRequest | undefined;
    try {
      authorized = await authorizeRequest(request, this.target.backend, plan.credential, {
        refused: refused !== undefined,
        signal: controller.signal,
      });
    } catch (error) {
      this.#fail(isGatewayError(error) ? error : unauthorized(error), "upstream_error");
      return;
    } finally {
      this.#authorizing = undefined;
    }
    if (this.#phase === "over") return;
    if (!authorized) {
      this.#fail(refused!, "upstream_error");
      return;
    }
    this.#prepared.request = authorized;
    this.#send();
  }

  /** Of a whole reply it is read when somebody asks; where the backend told none it is estimated then. */
  get usage(): Usage | undefined {
    this.#readUsage();
    if (this.#uncounted) {
      const outputTokens = estimateAnswer(this.#uncounted);
      this.#uncounted = undefined;
      this.#usage = this.#estimated(outputTokens);
    } else if (this.#sample && this.outcome) {
      const outputTokens = this.#estimateStream(this.#sample.subarray(0, this.#sampleBytes));
      this.#sample = undefined;
      this.#usage = this.#estimated(outputTokens);
    }
    return this.#usage;
  }

  get lateDrops(): readonly string[] | undefined {
    const { dropped } = this.#prepared;
    return dropped && dropped.size > this.#toldDrops ? [...dropped].slice(this.#toldDrops) : undefined;
  }

  /** What the backend told, without an estimate, which costs as much as some frames do. */
  get toldUsage(): Usage | undefined {
    this.#readUsage();
    return this.#usage?.estimated ? undefined : this.#usage;
  }

  #readUsage(): void {
    if (!this.#usageSource) return;
    try {
      this.#usage = this.#exchange.operation.usage?.(this.#usageSource);
    } catch {
      // It has more members than are looked for: what is no usage tells of none.
    }
    if (!this.#usage) this.#uncounted = this.#usageSource;
    this.#usageSource = undefined;
  }

  /** What was told counts: a stream may tell of its prompt at its beginning, and of its answer only at its end. */
  #estimated(outputTokens: number): Usage | undefined {
    const { operation } = this.#exchange;
    if (!operation.usage || operation.body !== "json") return this.#usage;
    const told = this.#usage;
    const input = told?.inputTokens ?? estimatePrompt(this.#prepared.body);
    const output = Math.max(outputTokens, told?.outputTokens ?? 0);
    const usage: Usage = {
      inputTokens: input,
      outputTokens: output,
      totalTokens: input + output,
      estimated: true,
    };
    if (told?.cachedTokens !== undefined) usage.cachedTokens = told.cachedTokens;
    return usage;
  }

  /** Reads the sample once more, for the texts in it; what came after it is taken to be like it. */
  #estimateStream(kept: Buffer): number {
    const isWhole = kept.length === this.#bytes;
    // Up to the end of an event, so that none is counted by its bytes alone.
    const sample = isWhole ? kept : kept.subarray(0, kept.lastIndexOf(LF) + 1 || kept.length);
    const answer = new AnswerCount();
    const relay = this.#createRelay(UNHEARD);
    relay.stream.observe({ event: ({ json }) => answer.add(json) });
    relay.stream.start(NO_SINK);
    try {
      relay.push(sample);
    } catch {
      // What broke the stream is known. The texts before it count.
    }
    relay.stream.cancel();
    return Math.ceil((answer.tokens * this.#bytes) / sample.length);
  }

  onSettled(listener: (attempt: Attempt) => void): void {
    if (this.outcome) this.#tell(listener);
    else (this.#listeners ??= []).push(listener);
  }

  /** A plugin's fault here must not keep the answer from the client. */
  #tell(listener: (attempt: Attempt) => void): void {
    try {
      listener(this);
    } catch (error) {
      this.#exchange.log.error("a plugin failed after an attempt was over", {
        requestId: this.#exchange.id,
        error: String(error),
      });
    }
  }

  /** The request is over or this attempt is not wanted any more: closes the upstream connection at once. */
  abort(reason: GatewayError | "cancelled"): void {
    if (this.#phase === "over") return;
    const { lateness } = this;
    this.#call?.abort();
    if (reason === "cancelled") {
      this.#fail(new GatewayError("provider_error", { message: "The attempt was given up" }), "cancelled");
      return;
    }
    if (reason.code === "client_closed_request") this.#fail(reason, "client_abort");
    else if (this.#events?.whole) this.#endEvents();
    else {
      // One reason may end many attempts, and an error names the one that it ended.
      const { code, message, headers } = reason;
      // Whoever ends it may not know how far it is.
      const upstream = reason.upstream && (lateness.sent ? reason.upstream : lateness);
      this.#fail(new GatewayError(code, { message, headers, upstream }), this.#blameFor(upstream));
    }
  }

  #blameFor(cause: UpstreamFailure | undefined): Outcome | "cancelled" {
    if (this.#phase === "relay") return cause ? "truncated" : "cancelled";
    // A limit of a plugin's own, that broke while the client's upload was what was waited for.
    if (this.#phase === "headers" && this.#exchange.upload?.waiting) return "cancelled";
    return blameFor(cause);
  }

  get lateness(): UpstreamFailure {
    return latenessOf(this.#call, this.status);
  }

  /** Looks at the limits of the present phase. */
  expire(nowMs: number): void {
    if (this.#phase === "over" || this.#paused) return;
    if (this.#heard) {
      this.#heard = false;
      this.#lastActivityAt = nowMs;
    }
    if (this.#phase === "relay") {
      this.#expireRelay(nowMs);
      return;
    }
    const limitMs = this.#brokenLimit(nowMs);
    if (limitMs === undefined) return;
    const { lateness } = this;
    this.#call?.abort();
    this.#fail(timeoutError(limitMs, lateness), blameFor(lateness));
  }

  /** The limit before the commit point that is broken. What the client or the gateway itself took counts in none. */
  #brokenLimit(nowMs: number): number | undefined {
    const { firstByteMs, firstTokenMs, idleMs, attemptMs } = this.target.backend.timeouts;
    if (this.#call?.stage === "queued") {
      this.#handedAt = nowMs;
      this.#queuedMs = nowMs - this.startedAt;
      return [firstByteMs, attemptMs].find((limitMs) => isBroken(limitMs, this.#queuedMs));
    }
    const ageMs = this.#ageMs(nowMs);
    if (this.#phase === "headers") {
      if (!this.#exchange.upload?.waiting && isBroken(firstByteMs, nowMs - this.#handedAt))
        return firstByteMs;
    } else if (this.#phase === "firstToken" && isBroken(firstTokenMs, ageMs)) return firstTokenMs;
    else if (isBroken(idleMs, nowMs - this.#lastActivityAt)) return idleMs;
    return isBroken(attemptMs, ageMs) ? attemptMs : undefined;
  }

  /** How long the backend was waited for: neither the client's upload nor a free connection. */
  #ageMs(nowMs: number): number {
    const uploadMs = this.#exchange.uploadWaitMs(nowMs) - this.#waitedBeforeMs;
    return nowMs - this.startedAt - this.#queuedMs - uploadMs;
  }

  #expireRelay(nowMs: number): void {
    const { idleMs, maxStreamMs } = this.target.backend.timeouts;
    if (isBroken(idleMs, nowMs - this.#lastActivityAt))
      this.#breakStream("stalled", `The backend sent nothing for ${idleMs} ms`);
    else if (this.#events && isBroken(maxStreamMs, nowMs - this.#committedAt))
      this.#breakStream("timeout", `The stream lasted longer than ${maxStreamMs} ms`);
  }

  #breakStream(kind: "stalled" | "timeout" | "reset", message: string): void {
    this.#call?.abort();
    if (this.#events?.whole) {
      this.#endEvents();
      return;
    }
    this.#fail(
      new GatewayError("upstream_interrupted", {
        message,
        upstream: { kind, sent: true, status: this.status },
      }),
      "truncated",
    );
  }

  // --- from the transport

  onHeaders(status: number, headers: Headers): void {
    const now = performance.now();
    this.#lastActivityAt = now;
    this.timeToFirstByteMs = this.#ageMs(now);
    this.status = status;
    this.#headers = headers;
    if (status >= 400) {
      this.#phase = "error";
      return;
    }
    const refusal = this.#refuseHeaders(status, headers);
    if (refusal) {
      this.#call?.abort();
      this.#fail(refusal, "upstream_error");
    }
  }

  /** Chooses how the body is read; gives the error when it cannot be. */
  #refuseHeaders(status: number, headers: Headers): GatewayError | undefined {
    if (status >= 300) return malformedReply(`The backend answered with a redirect (${status})`, status);
    const encoding = headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity")
      return malformedReply("The backend compressed a reply that was asked for uncompressed", status);

    const { operation } = this.#exchange;
    const { translation } = this.#prepared.plan;
    const type = mediaType(headers);
    // The flag of a form that is sent on as it comes may stand after its file: then the reply tells.
    if (!this.#prepared.replayable && type === "text/event-stream") this.#exchange.stream = true;
    if (this.#exchange.stream && operation.stream) {
      if (type === streamType(translation?.mapping.stream?.format)) {
        this.#phase = "firstToken";
        this.#events = this.#createRelay(this);
        return undefined;
      }
      // JSON may be the error that the adapter knows.
      const mayBeError =
        type === "application/json" && this.target.backend.adapter.errorInReply !== undefined;
      if (!operation.streamOptional && !mayBeError) return noStream(type, status);
    } else if (type === "text/event-stream")
      return malformedReply("The backend streamed a reply that was asked for whole", status);
    if (operation.reply === "binary") {
      this.#opaque = new ByteRelay(this);
      this.#phase = "firstToken";
    } else this.#phase = "whole";
    return undefined;
  }

  onData(chunk: Uint8Array): void {
    this.#heard = true;
    switch (this.#phase) {
      case "error":
        if (this.#bytes < MAX_ERROR_BYTES) this.#chunks.push(chunk);
        this.#bytes += chunk.length;
        return;
      case "whole":
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.maxReplyBytes) {
          this.#call?.abort();
          this.#fail(malformedReply("The backend's reply is too large", this.status), "upstream_error");
        } else this.#chunks.push(chunk);
        return;
      case "firstToken":
      case "relay":
        if (this.#events) {
          this.#bytes += chunk.length;
          if (this.#sampleBytes < SAMPLE_BYTES) this.#keep(chunk);
          this.#pushEvents(chunk);
        } else {
          this.#commitBytes();
          this.#opaque!.push(chunk);
        }
    }
  }

  onEnd(): void {
    switch (this.#phase) {
      case "error":
        this.#refuse(
          fromErrorReply(
            { status: this.status!, headers: this.#headers, body: Buffer.concat(this.#chunks) },
            this.target.backend.adapter,
            this.#hidden(),
            this.target.model,
          ),
        );
        return;
      case "whole":
        this.#finishWhole();
        return;
      case "firstToken":
      case "relay":
        if (this.#events) this.#endEvents();
        else {
          this.#commitBytes();
          this.#settle("complete");
          this.#opaque!.end();
        }
    }
  }

  onError(failure: TransportFailure): void {
    if (this.#phase === "relay" || (this.#phase === "firstToken" && this.#events?.whole)) {
      this.#breakStream("reset", "The backend closed the connection in the middle of its reply");
      return;
    }
    if (this.#phase === "headers" && this.#mayResend(failure)) {
      this.#resent = true;
      this.#send();
      return;
    }
    if (isGatewayError(failure.cause)) {
      // The upload itself failed on our side: a part too large, or cut short by the client.
      this.#fail(failure.cause, "rejected");
      return;
    }
    const error = fromTransportFailure(failure, this.target.backend.timeouts.connectMs, this.status);
    this.#fail(error, error.upstream ? "upstream_error" : "rejected");
  }

  /** The backend answered with an error. Of a 401 the reason may be a token that was taken back: one more try. */
  #refuse(error: GatewayError): void {
    const { adapter } = this.target.backend;
    const mayAuthorizeAgain = adapter.authorize && !this.#refused && this.#prepared.replayable;
    if (error.upstream?.status !== 401 || !mayAuthorizeAgain) {
      this.#fail(error, "upstream_error");
      return;
    }
    // As if nothing had come.
    this.#refused = error;
    this.#phase = "headers";
    this.#chunks = [];
    this.#bytes = 0;
    void this.#authorizeAndSend();
  }

  /**
   * A kept connection that the backend closed while it was idle: nobody answered, so the same request goes out once
   * more (RFC 9112, section 9.3.1), if it may be repeated at all.
   */
  #mayResend(failure: TransportFailure): boolean {
    return (
      failure.kind === "reset" &&
      failure.reusedConnection === true &&
      !this.#resent &&
      this.#prepared.replayable &&
      this.#exchange.operation.replaySafe
    );
  }

  // --- whole replies

  #finishWhole(): void {
    const { operation } = this.#exchange;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const type = mediaType(this.#headers);
    if (operation.reply === "jsonOrText" && type !== "application/json") {
      this.#succeed(bytes);
      return;
    }
    try {
      this.#succeed(this.#readJson(bytes));
    } catch (error) {
      this.#refuse(
        isGatewayError(error) ? error : malformedReply("The backend's reply could not be read", this.status),
      );
    }
  }

  #readJson(bytes: Uint8Array): Uint8Array | string {
    const { operation, requestedModel } = this.#exchange;
    const { adapter } = this.target.backend;
    const upstream = readReply(bytes, this.status!);
    const { errorMembers } = adapter;
    const mayFail = !errorMembers || errorMembers.some((name) => !isAbsent(upstream, name));
    const rewrites = this.#prepared.translated !== undefined || operation.normalizeReply !== undefined;
    const isReadable = this.#isReadable(upstream);
    if (!isReadable && (rewrites || (mayFail && adapter.errorInReply)))
      throw malformedReply("The backend's reply is nested too deep or has too many values", this.status);
    const failure = mayFail && adapter.errorInReply?.(upstream.json, this.#prepared.plan.mapped);
    if (failure) throw fromErrorBody(failure, adapter, this.#hidden(), this.target.model);
    if (this.#exchange.stream && operation.stream && !operation.streamOptional)
      throw noStream(mediaType(this.#headers), this.status!);
    if (!this.#prepared.translated && operation.isAnswer?.(upstream) === false)
      throw malformedReply("The backend's reply holds no answer", this.status);
    if (rewrites) return this.#rewriteJson(upstream.json);

    // What nobody has to read passes all the same, without a word of what it took.
    if (isReadable) this.#usageSource = upstream;
    const { modelMember = "model" } = operation;
    if (operation.modelless) return bytes;
    if (upstream.isText(modelMember, requestedModel) || upstream.typeOf(modelMember) !== "string")
      return bytes;
    return editJson(bytes, upstream.fields, { [modelMember]: JSON.stringify(requestedModel) });
  }

  /** A parse of it takes about as many bytes as a reply may have, and all that goes down into it gets to the ground. */
  #isReadable({ fields: { depth, weight } }: JsonTextView): boolean {
    const { maxReplyBytes, maxReplyDepth } = this.#limits;
    return depth <= maxReplyDepth && weight <= maxReplyBytes / BYTES_PER_NUMBER;
  }

  #rewriteJson(upstream: JsonObject): string {
    const { operation, requestedModel } = this.#exchange;
    const { translated } = this.#prepared;
    const { modelMember = "model" } = operation;
    let json = upstream;
    if (translated) {
      ({ json, usage: this.#usage } = translated.reply(upstream));
      if (!this.#usage) this.#uncounted = viewOf(json);
    } else {
      this.#usageSource = viewOf(json);
      json = operation.normalizeReply!(json, this.#prepared.body.json);
    }
    return stringifyJson(
      typeof json[modelMember] === "string" ? { ...json, [modelMember]: requestedModel } : json,
    );
  }

  #succeed(body: Uint8Array | string): void {
    const reply = this.#reply(body);
    if (this.#prepared.translated) reply.headers["content-type"] = "application/json";
    const now = performance.now();
    this.timeToFirstTokenMs = this.#ageMs(now);
    this.#settle("complete", now);
    this.#resolve(reply);
  }

  // --- streams

  #createRelay(owner: RelayOwner): EventRelay {
    const { operation, requestedModel } = this.#exchange;
    return new EventRelay({
      rules: operation.stream!,
      owner,
      translator: this.#prepared.translated?.events((usage) => owner.onUsage(usage)),
      model: requestedModel,
      answers: operation.answers?.(this.#prepared.body) ?? 1,
      hideUsage: this.#prepared.hideUsage,
    });
  }

  // What the relay reports.

  onCommit(): void {
    if (this.#phase !== "firstToken") return;
    this.#commit();
    const reply = this.#reply(this.#events!.stream);
    reply.headers["content-type"] = "text/event-stream; charset=utf-8";
    reply.headers["x-accel-buffering"] = "no";
    this.#resolve(reply);
  }

  onUsage(usage: Usage): void {
    this.#usage = usage;
  }

  onCancel(): void {
    if (this.#phase === "over") return;
    this.#call?.abort();
    this.#settle("cancelled");
  }

  onPressure(pause: boolean): void {
    this.#paused = pause;
    this.#lastActivityAt = performance.now();
    if (pause) this.#call?.pause();
    else this.#call?.resume();
  }

  #keep(chunk: Uint8Array): void {
    // Copied: chunks that stay would each be carried through the collections of the young heap.
    this.#sample ??= Buffer.allocUnsafeSlow(SAMPLE_BYTES);
    const kept = Math.min(chunk.length, SAMPLE_BYTES - this.#sampleBytes);
    this.#sample.set(kept === chunk.length ? chunk : chunk.subarray(0, kept), this.#sampleBytes);
    this.#sampleBytes += kept;
  }

  #pushEvents(chunk: Uint8Array): void {
    try {
      this.#events!.push(chunk);
    } catch (error) {
      this.#call?.abort();
      this.#failEvents(error);
    }
  }

  #endEvents(): void {
    try {
      this.#events!.end();
    } catch (error) {
      this.#failEvents(error);
      return;
    }
    // A plugin that failed on the last event has ended it already.
    if (this.#phase !== "over") this.#settle("complete");
  }

  #failEvents(thrown: unknown): void {
    const error = isGatewayError(thrown)
      ? thrown
      : malformedReply("The backend's stream could not be read", this.status);
    this.#fail(error, error.upstream?.kind === "truncated" ? "truncated" : "upstream_error");
  }

  #commitBytes(): void {
    if (this.#phase !== "firstToken") return;
    this.#commit();
    this.#resolve(this.#reply(this.#opaque!));
  }

  #commit(): void {
    this.#phase = "relay";
    this.#committedAt = performance.now();
    this.timeToFirstTokenMs = this.#ageMs(this.#committedAt);
  }

  // --- the end

  #reply(body: Reply["body"]): Reply {
    const headers: Record<string, string> = {};
    for (const name of PASSED_HEADERS) {
      const value = this.#headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const { dropped } = this.#prepared;
    this.#toldDrops = dropped?.size ?? 0;
    if (dropped && dropped.size > 0) headers["x-gatewright-dropped"] = [...dropped].join(", ");
    return { status: this.status!, headers, body, attempt: this };
  }

  #fail(error: GatewayError, outcome: Outcome | "cancelled"): void {
    if (this.#phase === "over") return;
    const relayed = this.#phase === "relay";
    error.attempt = this;
    this.error = error;
    this.#settle(outcome);
    if (relayed) (this.#events ?? this.#opaque)!.fail(error);
    else this.#reject(error);
  }

  #settle(outcome: Outcome | "cancelled", now: number = performance.now()): void {
    this.#phase = "over";
    this.#authorizing?.abort();
    this.outcome = outcome;
    this.durationMs = now - this.startedAt;
    this.target.inFlight--;
    this.#chunks = [];
    // Without content there is nothing to estimate; a broken answer has told of its prompt at best.
    if (this.#committedAt === 0 || (this.#usage && outcome === "complete")) this.#sample = undefined;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners) for (const listener of listeners) this.#tell(listener);
  }

  /** What must not leave in an error: the credential and where the backend is. */
  #hidden(): Hidden {
    const { baseURL } = this.target.backend;
    const { plan, translated } = this.#prepared;
    return {
      credential: plan.credential,
      hosts: [baseURL.host, baseURL.hostname],
      keepsDetails: translated === undefined,
    };
  }
}

/** For a stream that is read for what is in it alone. */
const UNHEARD: RelayOwner = { onCommit() {}, onUsage() {}, onCancel() {}, onPressure() {} };
const NO_SINK: BodySink = { data() {}, end() {}, fail() {} };

function mediaType(headers: Headers): string {
  const value = headers["content-type"];
  if (typeof value !== "string") return "";
  const semicolon = value.indexOf(";");
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

function noStream(type: string, status: number): GatewayError {
  return malformedReply(
    `The backend answered ${type || "without a content type"} where a stream was asked for`,
    status,
  );
}

function streamType(format: StreamMapping["format"] | undefined): string {
  if (typeof format === "object") return format.contentType;
  return format === "ndjson" ? "application/x-ndjson" : "text/event-stream";
}

function readReply(bytes: Uint8Array, status: number): JsonTextView {
  try {
    const view = JsonTextView.read(bytes);
    // An object or a list.
    if (view.fields.depth > 0) return view;
  } catch {
    // Falls through: the message must not quote what the backend sent.
  }
  throw malformedReply("The backend's reply is not JSON", status);
}
