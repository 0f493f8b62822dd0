import { isGatewayError } from "gatewright";
import type {
  Attempt,
  Context,
  GatewayError,
  GatewayHost,
  Next,
  Reply,
  Target,
  UpstreamFailure,
} from "gatewright";
import { backoffMs } from "./backoff.ts";
import { retryScope } from "./cause.ts";
import type { RetryScope } from "./cause.ts";
import { FirstByteWaits } from "./first-byte-waits.ts";
import type { RetryOptions } from "./options.ts";
import { RetryBudgets } from "./retry-budgets.ts";
import { Trail } from "./trail.ts";

/** What dispatch throws when a backend failed. */
type FailedAttempt = GatewayError & { upstream: UpstreamFailure; attempt: Attempt };

/** Decides whether, where and when a failed request is tried again. */
export class Retrier {
  readonly #options: RetryOptions;
  readonly #gateway: GatewayHost;
  readonly #budgets: RetryBudgets;
  readonly #waits = new FirstByteWaits();

  constructor(options: RetryOptions, gateway: GatewayHost) {
    this.#options = options;
    this.#gateway = gateway;
    this.#budgets = new RetryBudgets(options.budget);
  }

  /** Accounts for the attempt that is about to go out. */
  begin(ctx: Context): void {
    const budget = this.#budgets.of(ctx.model);
    // Another model's turn after a failure is a retry that somebody else decided on: it is charged all the same.
    if (ctx.attempts.length === 0) budget.deposit(this.#gateway.now());
    else if (!isOver(ctx)) budget.withdraw(this.#gateway.now());
  }

  answered(reply: Reply): void {
    this.#waits.record(reply.attempt);
  }

  /** Answers by a further attempt, or throws: the last upstream failure, or what is no upstream failure as it came. */
  async tryAgain(ctx: Context, next: Next, candidates: readonly Target[], error: unknown): Promise<Reply> {
    if (!isFailedAttempt(error)) throw error;
    this.#refuseHopeless(ctx, error, attemptsOf(ctx));
    const budget = this.#budgets.of(ctx.model);
    if (!budget.enter(countInFlight(candidates))) throw asLastWord(error);
    try {
      return await this.#loop(ctx, next, candidates, error);
    } finally {
      budget.leave();
    }
  }

  async #loop(ctx: Context, next: Next, candidates: readonly Target[], first: FailedAttempt): Promise<Reply> {
    const budget = this.#budgets.of(ctx.model);
    const trail = new Trail();
    let failure = first;
    let made = attemptsOf(ctx);
    let pauses = 0;
    let granted = false;
    this.#note(trail, ctx, failure);
    for (;;) {
      const pauseMs = backoffMs(this.#options, pauses, this.#gateway.random());
      const step = trail.next(candidates, this.#gateway.now(), pauseMs);
      if (step === undefined) throw asLastWord(failure);
      if (ctx.remainingMs() < step.delayMs + this.#waits.expectedMs(step.candidates)) throw failure;
      granted ||= budget.withdraw(this.#gateway.now());
      if (!granted) throw asLastWord(failure);
      if (step.delayMs > 0) {
        pauses++;
        await ctx.sleep(step.delayMs);
      }
      try {
        const reply = await next({ candidates: step.candidates });
        this.answered(reply);
        return reply;
      } catch (error) {
        if (isFailedAttempt(error)) {
          failure = error;
          granted = false;
          made = Math.max(made + 1, ctx.attempts.length);
          this.#refuseHopeless(ctx, failure, made);
          this.#note(trail, ctx, failure);
        } else if (isUnavailable(error)) {
          // Nothing was sent. What was granted holds for a candidate that is let through.
          trail.refuse(step.candidates);
        } else {
          throw error;
        }
      }
    }
  }

  /** Throws what no further attempt can mend, or must not. */
  #refuseHopeless(ctx: Context, failure: FailedAttempt, made: number): void {
    const scope = scopeOf(ctx, failure);
    if (scope === "nowhere" || ctx.aborted) throw failure;
    if (made >= this.#options.maxAttempts) throw asLastWord(failure);
    if (!ctx.body.replayable) {
      failure.message += "; it was not retried, since the body was not kept and cannot be sent again";
      throw failure;
    }
  }

  #note(trail: Trail, ctx: Context, failure: FailedAttempt): void {
    const { upstream, attempt } = failure;
    trail.failed(attempt.target, this.#gateway.now() + (upstream.retryAfterMs ?? 0));
    if (scopeOf(ctx, failure) === "elsewhere") trail.bar(attempt.target);
  }
}

/** What is sent once the client has its answer, a copy for one, is no retry for it. */
function isOver(ctx: Context): boolean {
  let over = false;
  ctx.onFinished(() => (over = true));
  return over;
}

function isFailedAttempt(error: unknown): error is FailedAttempt {
  return isGatewayError(error) && error.upstream !== undefined && error.attempt !== undefined;
}

function scopeOf(ctx: Context, { upstream, attempt }: FailedAttempt): RetryScope {
  // A reply that breaks off names no status, but its headers had one.
  const status = upstream.status ?? attempt.status;
  return retryScope({ failure: upstream, status, replaySafe: ctx.operation.replaySafe, stream: ctx.stream });
}

/** A layer below let no candidate through. */
function isUnavailable(error: unknown): boolean {
  return (
    isGatewayError(error) && error.upstream === undefined && (error.status === 429 || error.status === 503)
  );
}

/** At least the one that failed. */
function attemptsOf(ctx: Context): number {
  return Math.max(1, ctx.attempts.length);
}

function countInFlight(targets: readonly Target[]): number {
  let sum = 0;
  for (const target of targets) sum += target.inFlight;
  return sum;
}

/** We tried what could be tried: SDKs, which retry by themselves, are asked not to multiply it. */
function asLastWord(failure: FailedAttempt): FailedAttempt {
  failure.headers["x-should-retry"] = "false";
  return failure;
}
