import * as v from "valibot";
import type { Transition } from "./breaker.ts";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
const Milliseconds = v.pipe(v.number(), v.finite(), v.minValue(1));
const Share = v.pipe(v.number(), v.finite(), v.gtValue(0), v.maxValue(1));

/** An open time that doubles with each opening that no closing comes between. */
export const GrowingOpenTime = v.pipe(
  v.strictObject({
    /** The first, in milliseconds. @default 5_000 */
    fromMs: v.optional(Milliseconds, 5_000),
    /** The longest, in milliseconds. @default 60_000 */
    toMs: v.optional(Milliseconds, 60_000),
    /** Each is random by up to this share, up or down. @default 0.2 */
    jitter: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0), v.ltValue(1)), 0.2),
  }),
  v.check(({ fromMs, toMs }) => fromMs <= toMs, "an object whose `fromMs` is not above `toMs`"),
);

export const OpenTime = v.union([Milliseconds, GrowingOpenTime]);

const RateBackend = v.strictObject({
  /** As the plugin's. */
  openMs: v.optional(OpenTime),
  /** False: its targets have no breaker. @default true */
  enabled: v.optional(v.boolean(), true),
});

const ConsecutiveBackend = v.strictObject({
  ...RateBackend.entries,
  /** As the plugin's. */
  failureThreshold: v.optional(Count),
  /** As the plugin's. */
  successThreshold: v.optional(Count),
});

const common = {
  /**
   * How long an open breaker refuses, in milliseconds from the opening; or `{ fromMs, toMs, jitter }` for a time that
   * doubles with each opening until the breaker closes. @default 60_000
   */
  openMs: v.optional(OpenTime, 60_000),
  /** Attempts that may run at once at a target that is being probed. @default 3 */
  maxProbes: v.optional(Count, 3),
  /** A probe without verdict after this is a failure, in milliseconds. @default 60_000 */
  probeMs: v.optional(Milliseconds, 60_000),
  /**
   * How long a request waits when all its targets cool down after 429, in milliseconds, its deadline permitting.
   * 0: it is refused. @default 60_000
   */
  maxWaitMs: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 60_000),
  /** Tells openings to the other processes and learns theirs: needs Redis state. @default false */
  shared: v.optional(v.boolean(), false),
  /** With `shared`: how often the others' openings are read, in milliseconds. @default 1_000 */
  syncMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10)), 1_000),
  /** What is open stays open over a restart, its clock run on: needs file or Redis state. @default false */
  persist: v.optional(v.boolean(), false),
  /** Called after each change of a breaker. */
  onTransition: v.optional(
    v.custom<(transition: Transition) => void>(
      (input) => typeof input === "function",
      "Expected a function of a transition",
    ),
  ),
};

const Consecutive = v.strictObject({
  /** Opens after failures in a row. */
  mode: v.optional(v.literal("consecutive"), "consecutive"),
  /** `consecutive` only: failures in a row that open it. @default 5 */
  failureThreshold: v.optional(Count, 5),
  /** `consecutive` only: successes in a row that close it again. @default 2 */
  successThreshold: v.optional(Count, 2),
  /**
   * `consecutive` only: every 5 minutes `failureThreshold` is multiplied, by target, by what the last 30 showed: below
   * 1 % failures by 1.1, below 5 % by 1, below 10 % by 0.8, else by 0.6; it stays within 2 and 20. @default false
   */
  adaptive: v.optional(v.boolean(), false),
  ...common,
  /** Numbers of single backends, by name. @default {} */
  backends: v.optional(v.record(v.string(), ConsecutiveBackend), {}),
});

const Rate = v.strictObject({
  /** Opens at a share of failures in a sliding window; closes when `maxProbes` probes in a row succeed. */
  mode: v.literal("rate"),
  /** `rate` only: share of failures that opens it. @default 0.5 */
  failureRate: v.optional(Share, 0.5),
  /** `rate` only: with fewer attempts in the window it stays closed. @default 20 */
  minVolume: v.optional(Count, 20),
  /** `rate` only: length of the window in milliseconds; it slides by tenths. @default 30_000 */
  windowMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(10)), 30_000),
  /** `rate` only: an attempt is slow when its first content, or whole reply, took this long, in milliseconds. */
  slowMs: v.optional(Milliseconds),
  /** `rate` only, with `slowMs`: share of slow attempts that opens it. @default 0.8 */
  slowRate: v.optional(Share, 0.8),
  ...common,
  /** Numbers of single backends, by name. @default {} */
  backends: v.optional(v.record(v.string(), RateBackend), {}),
});

export const CircuitBreakerOptions = v.variant("mode", [Consecutive, Rate]);

export type CircuitBreakerOptions = v.InferOutput<typeof CircuitBreakerOptions>;
export type OpenTime = v.InferOutput<typeof OpenTime>;
