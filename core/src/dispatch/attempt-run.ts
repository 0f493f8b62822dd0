import { Buffer } from "node:buffer";
import { performance } from "node:perf_hooks";
import type { Attempt, Outcome, Usage } from "../attempt.ts";
import { stringifyJson } from "../body/exact-json.ts";
import { viewOf, type JsonView } from "../body/json-view.ts";
import { causeOf, GatewayError, isGatewayError, type UpstreamFailure } from "../errors.ts";
import type { JsonObject, StreamFailure } from "../operation.ts";
import { timeoutError } from "../outcome.ts";
import type { Reply } from "../reply.ts";
import type { Exchange, RunningAttempt } from "../request/exchange.ts";
import { ByteRelay } from "../stream/byte-relay.ts";
import { EventRelay, type RelayOwner } from "../stream/event-relay.ts";
import { toStreamError } from "../stream/stream-error.ts";
import type { Target } from "../target.ts";
import { estimateAnswer } from "../token-estimate.ts";
import type {
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
  UpstreamHeaders,
} from "../transport/transport.ts";
import { authorizeRequest, unauthorized } from "./authorize.ts";
import { estimatedUsage } from "./estimated-usage.ts";
import { hiddenOf, type PreparedCall } from "./prepared-call.ts";
import { EVENT_STREAM, headFault, JSON_TYPE, mediaType, passedHeaders, readingOf } from "./reply-head.ts";
import { StreamSample } from "./stream-sample.ts";
import { blameFor, isBroken, latenessOf, limitBeforeCommit, limitBeforeHeaders } from "./time-limits.ts";
import {
  fromErrorReply,
  fromStreamFailure,
  fromTransportFailure,
  malformedReply,
  MAX_ERROR_BYTES,
  MAX_ERROR_MS,
} from "./upstream-error.ts";
import { isReadable, isRewritten, readAnswer, underModel, type ReplyLimits } from "./whole-reply.ts";

/**
 * The stages of an attempt: waiting for headers; reading an error or a whole reply; waiting for the first content of a
 * stream; relaying what follows; over.
 */
type Phase = "headers" | "error" | "whole" | "firstToken" | "relay" | "over";

/** One upstream call from dispatch to its last byte: the state machine between transport and reply. */
export class AttemptRun implements RunningAttempt, TransportHandler, RelayOwner {
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
  /** Of a stream, until its usage is known. */
  #sample: StreamSample | undefined;
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
  #headers = NO_HEADERS;
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

  constructor(exchange: Exchange, prepared: PreparedCall, limits: ReplyLimits) {
    const { target } = prepared;
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
    const request = this.#prepared.request!;
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
      authorized = await authorizeRequest(request!, this.target.backend, plan.credential, {
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
      const outputTokens = this.#sample.countTokens((owner) => this.#createRelay(owner), this.#bytes);
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

  #estimated(outputTokens: number): Usage | undefined {
    return estimatedUsage(outputTokens, this.#usage, this.#exchange.operation, this.#prepared.body);
  }

  onSettled(listener: (attempt: Attempt) => void): void {
    if (this.outcome) this.#exchange.tellSettled(listener, this);
    else if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
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
    if (this.#phase === "error" && this.#ageMs(nowMs) - this.timeToFirstByteMs! >= MAX_ERROR_MS) {
      this.#cutError();
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
    const { timeouts } = this.target.backend;
    if (this.#call?.stage === "queued") {
      this.#handedAt = nowMs;
      this.#queuedMs = nowMs - this.startedAt;
      return limitBeforeHeaders(timeouts, this.#queuedMs);
    }
    const ageMs = this.#ageMs(nowMs);
    if (this.#phase === "headers")
      return limitBeforeHeaders(timeouts, ageMs, this.#exchange.upload?.waiting ? 0 : nowMs - this.#handedAt);
    return limitBeforeCommit(timeouts, ageMs, nowMs - this.#lastActivityAt, this.#phase === "firstToken");
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

  onHeaders(status: number, headers: UpstreamHeaders): void {
    const now = performance.now();
    this.#lastActivityAt = now;
    this.timeToFirstByteMs = this.#ageMs(now);
    this.status = status;
    this.#headers = headers;
    if (status >= 400) {
      this.#phase = "error";
      return;
    }
    const refusal = headFault(status, headers) ?? this.#chooseReading(status, headers);
    if (refusal) {
      this.#call?.abort();
      this.#fail(refusal, "upstream_error");
    }
  }

  /** Gives the error when the body cannot be read. */
  #chooseReading(status: number, headers: UpstreamHeaders): GatewayError | undefined {
    const type = mediaType(headers);
    // The flag of a form that is sent on as it comes may stand after its file: then the reply tells.
    if (!this.#prepared.replayable && type === EVENT_STREAM) this.#exchange.stream = true;
    const reading = readingOf(type, status, this.#exchange, this.#prepared);
    if (typeof reading === "object") return reading;
    this.#phase = reading === "whole" ? "whole" : "firstToken";
    if (reading === "events") this.#events = this.#createRelay(this);
    else if (reading === "bytes") this.#opaque = new ByteRelay(this);
    return undefined;
  }

  onData(chunk: Uint8Array): void {
    this.#heard = true;
    switch (this.#phase) {
      case "error":
        this.#chunks.push(chunk);
        this.#bytes += chunk.length;
        if (this.#bytes >= MAX_ERROR_BYTES) this.#cutError();
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
          (this.#sample ??= new StreamSample()).add(chunk);
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
        this.#endError();
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
    if (this.#phase === "error") {
      this.#endError();
      return;
    }
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

  /** Its status and what came of it tell enough: whoever could take over is not to wait for the rest. */
  #cutError(): void {
    this.#call?.abort();
    this.#endError();
  }

  #endError(): void {
    this.#refuse(
      fromErrorReply(
        { status: this.status!, headers: this.#headers, body: Buffer.concat(this.#chunks) },
        this.target.backend.adapter,
        hiddenOf(this.#prepared),
        this.target.model,
      ),
    );
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
    this.#events = this.#sample = this.#usage = undefined;
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
    if (operation.reply === "jsonOrText" && mediaType(this.#headers) !== JSON_TYPE) {
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
    const upstream = readAnswer(bytes, this.status!, this.#exchange, this.#prepared, this.#limits);
    if (isRewritten(operation, this.#prepared)) return this.#rewriteJson(upstream.json);
    // What nobody has to read passes all the same, without a word of what it took.
    if (isReadable(upstream, this.#limits)) this.#usageSource = upstream;
    return underModel(upstream, operation, requestedModel);
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
    if (this.#prepared.translated) reply.headers["content-type"] = JSON_TYPE;
    const now = performance.now();
    this.timeToFirstTokenMs = this.#ageMs(now);
    this.#settle("complete", now);
    this.#answer(reply);
  }

  // --- streams

  #createRelay(owner: RelayOwner): EventRelay {
    const { operation, requestedModel } = this.#exchange;
    return new EventRelay({
      rules: operation.stream!,
      owner,
      translator: this.#prepared.translated?.events(owner),
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
    this.#answer(reply);
  }

  onUsage(usage: Usage): void {
    this.#usage = usage;
  }

  toError(failure: StreamFailure, event?: JsonObject): GatewayError {
    if (this.#phase === "relay") return toStreamError(failure);
    return fromStreamFailure(failure, event, this.#prepared);
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
    if (this.#phase === "firstToken" && error.upstream?.status === 401) this.#refuse(error);
    else this.#fail(error, error.upstream?.kind === "truncated" ? "truncated" : "upstream_error");
  }

  #commitBytes(): void {
    if (this.#phase !== "firstToken") return;
    this.#commit();
    this.#answer(this.#reply(this.#opaque!));
  }

  #commit(): void {
    this.#phase = "relay";
    this.#committedAt = performance.now();
    this.timeToFirstTokenMs = this.#ageMs(this.#committedAt);
  }

  // --- the end

  #reply(body: Reply["body"]): Reply {
    const headers = passedHeaders(this.#headers);
    const { dropped } = this.#prepared;
    this.#toldDrops = dropped?.size ?? 0;
    if (dropped && dropped.size > 0) headers["x-gatewright-dropped"] = [...dropped].join(", ");
    return { status: this.status!, headers, body, attempt: this };
  }

  #answer(reply: Reply): void {
    const resolve = this.#resolve;
    // A stream may last for minutes, and many do at once: what it does not need any more is not kept for it.
    this.#resolve = this.#reject = DONE;
    this.#headers = NO_HEADERS;
    this.#prepared.request = undefined;
    resolve(reply);
  }

  #fail(error: GatewayError, outcome: Outcome | "cancelled"): void {
    if (this.#phase === "over") return;
    const relayed = this.#phase === "relay";
    error.attempt = this;
    this.error = error;
    this.#settle(outcome);
    if (outcome === "upstream_error" || outcome === "truncated") this.#logFailure(error);
    if (relayed) (this.#events ?? this.#opaque)!.fail(error);
    else this.#reject(error);
  }

  /** Of attempts that others made good nothing else stands in the log. */
  #logFailure(error: GatewayError): void {
    const { backend, model } = this.target;
    this.#exchange.log.debug("an attempt failed", {
      requestId: this.#exchange.id,
      attempt: this.number,
      backend: backend.name,
      model,
      status: this.status,
      error: error.code,
      cause: causeOf(error),
    });
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
    if (listeners) for (const listener of listeners) this.#exchange.tellSettled(listener, this);
  }
}

const NO_HEADERS: UpstreamHeaders = {};

/** In the place of the ends of a promise that is settled. */
const DONE = (): void => {};
