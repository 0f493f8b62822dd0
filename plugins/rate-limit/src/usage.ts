import { isEventStream, isGatewayError } from "gatewright";
import type { Attempt, Context, Next, Reply } from "gatewright";
import type { Limit } from "./limit.ts";
import type { Limiter, Verdict } from "./limiter.ts";
import type { RateLimitOptions } from "./options.ts";
import { producedBytes } from "./token-bound.ts";

/** No model takes or makes as much: a backend that reports more is not believed. */
const MAX_PLAUSIBLE_TOKENS = 10_000_000;

/** What came of an admitted request. */
interface Course {
  /** The attempts made below this layer. */
  readonly attempts: readonly Attempt[];
  /** Nothing was sent, since a layer below refused the target: the attempt will be made elsewhere. */
  readonly refused: boolean;
  /** It ended with a status of 400 or above. */
  readonly failed: boolean;
  /** Bytes of text in the answer, counted where the backend tells no usage. */
  readonly producedBytes: number;
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
  const correct = (course: Omit<Course, "attempts">): void => {
    const attempts = ctx.attempts.slice(before);
    limiter.correct(verdict, (limit, cost) => usedOf(limit, cost, verdict, { ...course, attempts }, options));
  };
  return next().then(
    (reply) => {
      const failed = reply.status >= 400;
      const { body } = reply;
      if (isEventStream(body)) {
        let produced = 0;
        body.observe({
          event: ({ json }) => {
            produced += producedBytes(json);
          },
        });
        ctx.onFinished(() => correct({ refused: false, failed, producedBytes: produced }));
      } else {
        const produced = typeof body === "string" || body instanceof Uint8Array ? body.length : 0;
        correct({ refused: false, failed, producedBytes: produced });
      }
      return reply;
    },
    (error: unknown) => {
      const known = isGatewayError(error);
      const failed = !known || error.code !== "client_closed_request";
      const refused = known && error.code === "no_available_instances" && error.attempt === undefined;
      correct({ refused, failed, producedBytes: 0 });
      throw error;
    },
  );
}

function usedOf(
  { unit }: Limit,
  cost: number,
  { bound }: Verdict,
  course: Course,
  { countErrors, tokens }: RateLimitOptions,
): number {
  if (unit === "requests") return course.refused || (course.failed && !countErrors) ? 0 : cost;
  const answer = Math.ceil(course.producedBytes / tokens.bytesPerToken);
  let sum = 0;
  for (const attempt of course.attempts) {
    if (isPlausible(attempt)) sum += attempt.usage.totalTokens;
    else if (mayHaveWorked(attempt)) sum += Math.min(cost, bound!.prompt + answer);
  }
  return sum;
}

function isPlausible(attempt: Attempt): attempt is Attempt & { usage: { totalTokens: number } } {
  const total = attempt.usage?.totalTokens;
  return Number.isSafeInteger(total) && total! >= 0 && total! <= MAX_PLAUSIBLE_TOKENS;
}

/** Unless the backend refused or never got the request, it is taken to have read the prompt. */
function mayHaveWorked({ status, error }: Attempt): boolean {
  if (status !== undefined && status >= 400) return false;
  return error?.upstream?.sent !== false;
}
