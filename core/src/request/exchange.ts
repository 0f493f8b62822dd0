import { performance } from "node:perf_hooks";
import type { Attempt, Outcome, Usage } from "../attempt.ts";
import type { ContextVars, DownstreamRequest, Finished, Principal } from "../context.ts";
import type { GatewayError, UpstreamFailure } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Operation } from "../operation.ts";
import { interruptedOutcome, outcomeOf, timeoutError } from "../outcome.ts";
import type { Router } from "../router.ts";
import type { Target } from "../target.ts";
import { addUsage } from "../usage-sum.ts";
import type { Expirable } from "./sweeper.ts";
import type { UploadClock } from "./upload-clock.ts";

/** The client's side of a request; one implementation for each kind of server. */
export interface Downstream {
  /** The whole body, at most `limit` bytes: 413 beyond. At once where all of it has come. */
  readAll(limit: number): Uint8Array | Promise<Uint8Array>;
  /** The body as it comes, with back-pressure. */
  stream(): AsyncIterable<Uint8Array>;
  /** The request is aborted: told once, before anything else learns of it. */
  onAbort(reason: GatewayError): void;
  /** Looks at the limits of slow clients, and keeps silent streams alive. */
  expire(nowMs: number): void;
}

/** An attempt as the request drives it. */
export interface RunningAttempt extends Attempt {
  /** What the backend told; `usage` is an estimate where it told nothing. */
  readonly toldUsage: Usage | undefined;
  /** What of the answer could not be carried, and was found so after the header that says it had gone out. */
  readonly lateDrops?: readonly string[] | undefined;
  /** What a time limit that breaks now is laid to. */
  readonly lateness: UpstreamFailure;
  /** Ends it: the request is over, or this attempt is not wanted any more. */
  abort(reason: GatewayError | "cancelled"): void;
  /** Looks at its time limits. */
  expire(nowMs: number): void;
}

export interface ExchangeInit {
  id: string;
  operation: Operation;
  /** The model's name, where the path has it. */
  model?: string | undefined;
  request: DownstreamRequest;
  downstream: Downstream;
  router: Router;
  log: Logger;
  totalMs: number;
}

/**
 * What all attempts of one request share: who asked for what, how long it may take, which attempts run, and its end.
 * `RequestContext` is the view of it that one attempt has.
 */
export class Exchange implements Expirable {
  readonly id: string;
  readonly operation: Operation;
  readonly request: DownstreamRequest;
  readonly downstream: Downstream;
  readonly router: Router;
  readonly log: Logger;
  readonly startedAt = performance.now();
  readonly totalMs: number;
  principal: Principal | undefined;
  /** Empty until it is known. */
  requestedModel: string;
  stream = false;
  bytesIn = 0;
  bytesOut = 0;
  /** Present once an upload is read. */
  upload: UploadClock | undefined;
  readonly attempts: RunningAttempt[] = [];
  readonly vars: ContextVars = {};
  replyHeaders: Record<string, string> | undefined;
  /** Why the request is over before its answer is. */
  abortReason: GatewayError | undefined;
  /** Set once the reply's first byte may go out: the deadline no longer holds. */
  committed = false;
  previous: Expirable | undefined = undefined;
  next: Expirable | undefined = undefined;
  #controller: AbortController | undefined;
  #finishListeners: ((finished: Finished) => void)[] | undefined;
  #finished: Finished | undefined;
  #finishedPromise: Promise<Finished> | undefined;

  constructor(init: ExchangeInit) {
    this.id = init.id;
    this.operation = init.operation;
    this.requestedModel = init.model ?? "";
    this.request = init.request;
    this.downstream = init.downstream;
    this.router = init.router;
    this.log = init.log;
    this.totalMs = init.totalMs;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.abortReason) this.#controller.abort(this.abortReason);
    }
    return this.#controller.signal;
  }

  remainingMs(): number {
    if (this.committed || this.totalMs === 0) return Infinity;
    const nowMs = performance.now();
    return Math.max(0, this.#deadline(nowMs) - nowMs);
  }

  /** Moves on while an upload is waited for. */
  #deadline(nowMs: number): number {
    return this.startedAt + this.totalMs + this.uploadWaitMs(nowMs);
  }

  /** How long the client was waited for while it uploads. */
  uploadWaitMs(nowMs: number): number {
    return this.upload ? this.upload.waitedMs(nowMs) : 0;
  }

  /** Ends the request now: its upstream calls are closed, whoever waits in a plugin is woken. Later calls do nothing. */
  abort(reason: GatewayError): void {
    if (this.abortReason || this.#finished) return;
    this.abortReason = reason;
    this.downstream.onAbort(reason);
    for (const attempt of this.attempts) attempt.abort(reason);
    this.#controller?.abort(reason);
  }

  terminate(reason: GatewayError): void {
    this.abort(reason);
    const error = this.abortReason ?? reason;
    this.finish(this.committed ? interruptedOutcome(error) : outcomeOf(error), error.status, error);
  }

  expire(nowMs: number): void {
    // Aborted or not: what is left of the answer has its limits, and some ends are noticed here alone.
    this.downstream.expire(nowMs);
    if (this.abortReason) return;
    if (!this.committed && this.totalMs > 0 && nowMs >= this.#deadline(nowMs)) {
      // Laid at the door of the attempt that runs, so that policies can judge it.
      const running = this.attempts.filter((attempt) => attempt.outcome === undefined);
      const latenesses = running.map((attempt) => attempt.lateness);
      this.abort(timeoutError(this.totalMs, latenesses.find(({ sent }) => sent) ?? latenesses[0]));
      return;
    }
    for (const attempt of this.attempts) attempt.expire(nowMs);
  }

  /** What backends told of all attempts together; where they told nothing it is not estimated either. */
  toldUsage(): Usage | undefined {
    return sumUsage(this.attempts, ({ toldUsage }) => toldUsage);
  }

  /** What of its answer nobody else tells: `x-gatewright-dropped` had gone out. */
  lateDrops(): readonly string[] | undefined {
    let drops: readonly string[] | undefined;
    for (const { lateDrops } of this.attempts) if (lateDrops) drops = [...(drops ?? []), ...lateDrops];
    return drops;
  }

  /** Settles the request. The first call counts. */
  finish(outcome: Outcome, status: number, error?: GatewayError): void {
    if (this.#finished) return;
    const finished = new RequestEnd(this, outcome, status, error);
    this.#finished = finished;
    const listeners = this.#finishListeners;
    this.#finishListeners = undefined;
    if (listeners) for (const listener of listeners) this.#tellFinished(listener, finished);
  }

  /** `performance.now()` when the first content byte was handed to the client. */
  firstTokenAt: number | undefined;

  get isFinished(): boolean {
    return this.#finished !== undefined;
  }

  get finished(): Promise<Finished> {
    return (this.#finishedPromise ??= new Promise((resolve) => this.onFinished(resolve)));
  }

  onFinished(listener: (finished: Finished) => void): void {
    if (this.#finished) this.#tellFinished(listener, this.#finished);
    else if (this.#finishListeners) this.#finishListeners.push(listener);
    // A literal has room for what is in it, a first push makes room for seventeen.
    else this.#finishListeners = [listener];
  }

  #tellFinished(listener: (finished: Finished) => void, finished: Finished): void {
    this.#tell(listener, finished, "the request");
  }

  /** Lets a plugin know that an attempt is over. Its fault here must not keep the answer from the client. */
  tellSettled(listener: (attempt: Attempt) => void, attempt: Attempt): void {
    this.#tell(listener, attempt, "an attempt");
  }

  /** Nobody waits for a listener, but its fault is told, also where it is an `async` function. */
  #tell<Of>(listener: (of: Of) => unknown, of: Of, over: "an attempt" | "the request"): void {
    const logFault = (error: unknown): void =>
      this.log.error(`a plugin failed after ${over} was over`, { requestId: this.id, error: String(error) });
    try {
      const told = listener(of);
      if (told instanceof Promise) told.catch(logFault);
    } catch (error) {
      logFault(error);
    }
  }
}

/** The end of a request. A class, so that usage is read from the reply only when somebody asks. */
class RequestEnd implements Finished {
  readonly outcome: Outcome;
  readonly status: number;
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly attempts: readonly Attempt[];
  readonly target: Target | undefined;
  readonly error: GatewayError | undefined;

  constructor(exchange: Exchange, outcome: Outcome, status: number, error: GatewayError | undefined) {
    const { attempts, startedAt, firstTokenAt } = exchange;
    this.outcome = outcome;
    this.status = status;
    this.durationMs = performance.now() - startedAt;
    this.timeToFirstTokenMs = firstTokenAt === undefined ? undefined : firstTokenAt - startedAt;
    this.bytesIn = exchange.bytesIn;
    this.bytesOut = exchange.bytesOut;
    // A copy: what a plugin sends once the request is over is no part of it.
    this.attempts = attempts.slice();
    this.target = (error?.attempt ?? attempts.findLast((attempt) => attempt.outcome !== "cancelled"))?.target;
    this.error = error;
  }

  get usage(): Usage | undefined {
    return sumUsage(this.attempts, ({ usage }) => usage);
  }
}

function sumUsage<One>(
  attempts: readonly One[],
  usageOf: (attempt: One) => Usage | undefined,
): Usage | undefined {
  let sum: Usage | undefined;
  for (const attempt of attempts) sum = addUsage(sum, usageOf(attempt));
  return sum;
}
