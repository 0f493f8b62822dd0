import * as v from "valibot";

const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(600_000));

/** What keeps hedges a small part of the traffic. */
export const HedgeBudgetOptions = v.strictObject({
  /** Hedges granted for each request. @default 0.05 */
  share: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1)), 0.05),
  /** Hedges that may be saved up; so many are granted from the start. @default 10 */
  burst: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 10),
});

export const HedgeOptions = v.pipe(
  v.strictObject({
    /** A reply later than this, in milliseconds, is late; with `afterPercentile` only until there are samples. */
    afterMs: v.optional(Milliseconds),
    /** A reply is late when it takes longer than this percentage of those before. */
    afterPercentile: v.optional(v.pipe(v.number(), v.minValue(50), v.maxValue(99.9))),
    /** Replies to have seen before `afterPercentile` is believed. @default 50 */
    minSamples: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10), v.maxValue(500)), 50),
    /** Further attempts of one request, each as late as the one before. @default 1 */
    maxExtra: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(3)), 1),
    /** Limits of hedges over all requests. */
    budget: v.optional(HedgeBudgetOptions, {}),
  }),
  v.check(
    ({ afterMs, afterPercentile }) => afterMs !== undefined || afterPercentile !== undefined,
    "an object with `afterMs`, `afterPercentile` or both",
  ),
);

export type HedgeOptions = v.InferOutput<typeof HedgeOptions>;
export type HedgeBudgetOptions = v.InferOutput<typeof HedgeBudgetOptions>;
