import type { Duplex } from "node:stream";
import type { Attempt, Outcome, Usage } from "../attempt.ts";
import { GatewayError, isGatewayError, type UpstreamFailure } from "../errors.ts";
import { timeoutError } from "../outcome.ts";
import type { Reply } from "../reply.ts";
import type { Exchange, RunningAttempt } from "../request/exchange.ts";
import type { Target } from "../target.ts";
import type {
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
  UpstreamHeaders,
} from "../transport/transport.ts";
import { addUsage } from "../usage-sum.ts";
import type { SessionEnd } from "../websocket/connection-switch.ts";
import { WebSocketTunnel } from "../websocket/tunnel.ts";
import { authorizeRequest, unauthorized } from "./authorize.ts";
import { hiddenOf, type PreparedCall } from "./prepared-call.ts";
import { blameFor, latenessOf, limitBeforeHeaders } from "./time-limits.ts";
import { fromErrorReply, fromTransportFailure, malformedReply, MAX_ERROR_BYTES } from "./upstream-error.ts";

/** Headers of the client's handshake that are the backend's to read. Compression is not offered: frames are to be read. */
const HANDSHAKE_HEADERS = ["sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"];

/** Headers of the backend's answer that the client has to see. */
const ANSWER_HEADERS = ["sec-websocket-accept", "sec-websocket-protocol"];

/** One WebSocket to a backend, from its handshake to its last byte. It has been answered when it is open. */
export class WebSocketRun implements RunningAttempt, TransportHandler {
  readonly number: number;
  readonly target: Target;
  readonly startedAt = performance.now();
  timeToFirstByteMs: number | undefined;
  timeToFirstTokenMs: number | undefined;
  durationMs: number | undefined;
  status: number | undefined;
  usage: Usage | undefined;
  outcome: Outcome | "cancelled" | undefined;
  error: GatewayError | undefined;

  readonly #exchange: Exchange;
  readonly #prepared: PreparedCall;
  readonly #authorizing = new AbortController();
  #call: TransportCall | undefined;
  /** Until a connection was free, as far as the sweeper saw. */
  #queuedMs = 0;
  #tunnel: WebSocketTunnel | undefined;
  #headers: UpstreamHeaders = {};
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #resolve!: (reply: Reply) => void;
  #reject!: (error: GatewayError) => void;
  #listeners: ((attempt: Attempt) => void)[] = [];

  constructor(exchange: Exchange, prepared: PreparedCall) {
    this.#exchange = exchange;
    this.target = prepared.target;
    this.#prepared = prepared;
    this.number = exchange.attempts.push(this);
    this.target.inFlight++;
  }

  /** Resolves once the backend has agreed. */
  run(): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const { backend } = this.target;
    let request = this.#prepared.request!;
    if (backend.adapter.authorize) {
      const { signal } = this.#authorizing;
      const { credential } = this.#prepared.plan;
      try {
        request =
          (await authorizeRequest(request, backend, credential, { refused: false, signal })) ?? request;
      } catch (error) {
        this.#fail(isGatewayError(error) ? error : unauthorized(error));
        return;
      }
      if (this.outcome) return;
    }
    this.#call = backend.transport.send(withHandshake(request, this.#exchange), this);
  }

  onSettled(listener: (attempt: Attempt) => void): void {
    if (this.outcome) this.#exchange.tellSettled(listener, this);
    else this.#listeners.push(listener);
  }

  abort(reason: GatewayError | "cancelled"): void {
    if (this.outcome) return;
    if (this.#tunnel) {
      if (reason === "cancelled") this.#tunnel.cancel();
      else this.#tunnel.close(reason);
      return;
    }
    this.#call?.abort();
    if (reason === "cancelled") this.#fail(givenUp(), "cancelled");
    else if (reason.code === "client_closed_request") this.#fail(reason, "client_abort");
    else this.#fail(reason, blameFor(reason.upstream));
  }

  get lateness(): UpstreamFailure {
    return latenessOf(this.#call, this.status);
  }

  expire(nowMs: number): void {
    if (this.outcome) return;
    if (this.#tunnel) {
      this.#tunnel.expire(nowMs);
      return;
    }
    const isQueued = this.#call?.stage === "queued";
    if (isQueued) this.#queuedMs = nowMs - this.startedAt;
    const ageMs = isQueued ? this.#queuedMs : this.#ageMs(nowMs);
    const limitMs = limitBeforeHeaders(this.target.backend.timeouts, ageMs);
    if (limitMs === undefined) return;
    const { lateness } = this;
    this.#call?.abort();
    this.#fail(timeoutError(limitMs, lateness), blameFor(lateness));
  }

  /** How long the backend was waited for, and no free connection. */
  #ageMs(nowMs: number): number {
    return nowMs - this.startedAt - this.#queuedMs;
  }

  // --- from the transport

  onUpgrade(headers: UpstreamHeaders, socket: Duplex): void {
    this.status = 101;
    this.timeToFirstByteMs = this.timeToFirstTokenMs = this.#ageMs(performance.now());
    if (headers["sec-websocket-extensions"] !== undefined) {
      socket.destroy();
      this.#fail(malformedReply("The backend chose an extension of WebSocket that was not offered", 101));
      return;
    }
    const { requestedModel, operation } = this.#exchange;
    const rules = operation.websocket!;
    const { usage, forClient, forBackend } = rules;
    const { model } = this.target;
    const isRenamed = requestedModel !== model;
    this.#tunnel = new WebSocketTunnel({
      upstream: socket,
      rules,
      onText: usage && ((message) => (this.usage = addUsage(this.usage, usage(message)))),
      editForClient: isRenamed && forClient ? (message) => forClient(message, requestedModel) : undefined,
      editForBackend:
        isRenamed && forBackend ? (message) => forBackend(message, requestedModel, model) : undefined,
      onEnd: (end) => this.#onSessionEnd(end),
    });
    const answer: Record<string, string> = {};
    for (const name of ANSWER_HEADERS) {
      const value = headers[name];
      if (typeof value === "string") answer[name] = value;
    }
    this.#resolve({ status: 101, headers: answer, body: null, attempt: this, switch: this.#tunnel });
  }

  onHeaders(status: number, headers: UpstreamHeaders): void {
    this.timeToFirstByteMs = this.#ageMs(performance.now());
    this.status = status;
    this.#headers = headers;
    if (status >= 400) return;
    this.#call?.abort();
    this.#fail(malformedReply(`The backend answered ${status} where WebSocket was asked for`, status));
  }

  onData(chunk: Uint8Array): void {
    if (this.#bytes < MAX_ERROR_BYTES) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  onEnd(): void {
    const { backend, model } = this.target;
    const reply = { status: this.status!, headers: this.#headers, body: Buffer.concat(this.#chunks) };
    this.#fail(fromErrorReply(reply, backend.adapter, hiddenOf(this.#prepared), model));
  }

  onError(failure: TransportFailure): void {
    this.#fail(fromTransportFailure(failure, this.target.backend.timeouts.connectMs, this.status));
  }

  // --- the end

  get toldUsage(): Usage | undefined {
    return this.usage;
  }

  #onSessionEnd({ outcome, error }: SessionEnd): void {
    if (error) {
      error.attempt = this;
      this.error = error;
    }
    // A limit or a shutdown ended what was sound on both sides.
    const isOurs = outcome === "truncated" && error?.upstream === undefined;
    this.#settle(isOurs ? "cancelled" : outcome);
  }

  #fail(error: GatewayError, outcome: Outcome | "cancelled" = "upstream_error"): void {
    if (this.outcome) return;
    error.attempt = this;
    this.error = error;
    this.#settle(outcome);
    this.#reject(error);
  }

  #settle(outcome: Outcome | "cancelled"): void {
    this.outcome = outcome;
    this.#authorizing.abort();
    this.durationMs = performance.now() - this.startedAt;
    this.target.inFlight--;
    for (const listener of this.#listeners.splice(0)) this.#exchange.tellSettled(listener, this);
  }
}

function givenUp(): GatewayError {
  return new GatewayError("provider_error", { message: "The attempt was given up" });
}

function withHandshake(request: TransportRequest, exchange: Exchange): TransportRequest {
  const sent = exchange.request.headers;
  const headers = [...request.headers];
  for (const name of HANDSHAKE_HEADERS) {
    const value = sent[name];
    if (value !== undefined) headers.push(name, value);
  }
  return { ...request, headers, upgrade: "websocket" };
}
