import { isEventStream, isGatewayError } from "gatewright";
import type { Attempt, Context, Next, Reply, Usage } from "gatewright";
import type { Limit } from "./limit.ts";
import type { Limiter, Verdict } from "./limiter.ts";
import type { RateLimitOptions } from "./options.ts";

/** No model takes or makes as much: a backend that reports more is not believed, and what is reserved for it is charged. */
const MAX_PLAUSIBLE_TOKENS = 10_000_000;

/** What came of an admitted request. */
interface Course {
  /** The attempts made below this layer. */
  readonly attempts: readonly Attempt[];
  /** Nothing was sent, since a layer below refused the target: the attempt will be made elsewhere. */
  readonly refused: boolean;
  /** It ended with a status of 400 or above. */
  readonly failed: boolean;
}

/** Goes on, and once it is known what the request used, corrects what it was charged. */
export function goOnAndCorrect(
  ctx: Context,
  next: Next,
  verdict: Verdict,
  limiter: Limiter,
  options: RateLimitOptions,
): Promise<Reply> {
  const before = ctx.attempts.length;
  const chosen = ctx.target?.backend;
  const correct = (course: Omit<Course, "attempts">): void => {
    // Below the choice of a target: what a hedge or a recovery sent elsewhere meanwhile was charged there.
    const attempts = ctx.attempts
      .slice(before)
      .filter(({ target }) => chosen === undefined || target.backend === chosen);
    limiter.correct(verdict, (limit, cost) => usedOf(limit, cost, verdict, { ...course, attempts }, options));
  };
  return next().then(
    (reply) => {
      const settle = (): void => correct({ refused: false, failed: reply.status >= 400 });
      const { attempt, body } = reply;
      if (!isEventStream(body)) settle();
      // The request may be over before the stream is, which then is a copy's.
      else ctx.onFinished(() => (attempt ? attempt.onSettled(settle) : settle()));
      return reply;
    },
    (error: unknown) => {
      const known = isGatewayError(error);
      const failed = !known || error.code !== "client_closed_request";
      const refused = known && error.code === "no_available_instances" && error.attempt === undefined;
      correct({ refused, failed });
      throw error;
    },
  );
}

function usedOf(
  { unit }: Limit,
  cost: number,
  { bound }: Verdict,
  course: Course,
  { countErrors }: RateLimitOptions,
): number {
  if (unit === "requests") return course.refused || (course.failed && !countErrors) ? 0 : cost;
  let sum = 0;
  for (const attempt of course.attempts) sum += tokensOf(attempt, cost, bound!.prompt);
  return sum;
}

/** Tokens of one attempt, of which `cost` are reserved. */
function tokensOf(attempt: Attempt, cost: number, prompt: number): number {
  const { usage } = attempt;
  if (usage && !usage.estimated) return isPlausible(usage) ? usage.totalTokens : cost;
  // Nobody counted: the prompt's bound is strict, and the answer is as long as the texts in it.
  return mayHaveWorked(attempt) ? Math.min(cost, prompt + (usage?.outputTokens ?? 0)) : 0;
}

function isPlausible({ totalTokens }: Usage): boolean {
  return Number.isSafeInteger(totalTokens) && totalTokens >= 0 && totalTokens <= MAX_PLAUSIBLE_TOKENS;
}

/** Unless the backend refused or never got the request, it is taken to have read the prompt. */
function mayHaveWorked({ status, error }: Attempt): boolean {
  if (status !== undefined && status >= 400) return false;
  return error?.upstream?.sent !== false;
}
