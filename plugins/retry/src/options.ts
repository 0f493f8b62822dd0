import * as v from "valibot";

const Milliseconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const Share = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1));

/** What keeps retries from multiplying an outage. Each model has a budget of its own in each process. */
export const RetryBudgetOptions = v.strictObject({
  /** Retries granted for each first attempt. @default 0.2 */
  ratio: v.optional(Share, 0.2),
  /** How long a first attempt counts towards `ratio`, in milliseconds. @default 10_000 */
  ttlMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(100)), 10_000),
  /** Retries granted each second besides, so that a quiet model can retry too. @default 10 */
  minPerSecond: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 10),
  /** Requests that may be retrying at once, as a share of the attempts in flight. @default 0.2 */
  concurrentShare: v.optional(Share, 0.2),
  /** Requests that may always be retrying at once. @default 3 */
  minConcurrent: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 3),
});

export const RetryOptions = v.pipe(
  v.strictObject({
    /** Attempts of one request in total, the first one and those on other models included. @default 3 */
    maxAttempts: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 3),
    /**
     * The first return to a backend waits between 0 and this long, each further one up to twice as long as the one
     * before. In milliseconds. @default 500
     */
    baseDelayMs: v.optional(Milliseconds, 500),
    /** Longest wait, in milliseconds, unless the backend's Retry-After asks for more. @default 8_000 */
    maxDelayMs: v.optional(Milliseconds, 8_000),
    /** Limits of retries over all requests of a model. */
    budget: v.optional(RetryBudgetOptions, {}),
  }),
  v.check(
    ({ baseDelayMs, maxDelayMs }) => baseDelayMs <= maxDelayMs,
    "an object whose `baseDelayMs` is not above `maxDelayMs`",
  ),
);

export type RetryOptions = v.InferOutput<typeof RetryOptions>;
export type RetryBudgetOptions = v.InferOutput<typeof RetryBudgetOptions>;
