import * as v from "valibot";
import type { HealthChange } from "./health.ts";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));

const Check = v.picklist(["http", "tcp", "models", "off"]);
const CheckPath = v.pipe(v.string(), v.startsWith("/"));

/** Ejection for what live requests show. */
export const EjectionOptions = v.strictObject({
  /** False: live failures eject nothing. @default true */
  enabled: v.optional(v.boolean(), true),
  /** Failures in a row that eject a backend. @default 5 */
  failures: v.optional(Count, 5),
  /** The first ejection, in milliseconds; the nth in a row takes n times as long. @default 30_000 */
  baseMs: v.optional(Milliseconds, 30_000),
  /** The longest, in milliseconds. @default 300_000 */
  maxMs: v.optional(Milliseconds, 300_000),
  /** For each so many healthy milliseconds one earlier ejection is forgotten. @default 10_000 */
  decayMs: v.optional(Milliseconds, 10_000),
  /**
   * Every 30 seconds, of at least 5 backends of a model with 100 attempts each, those are ejected whose share of
   * successes lies below the mean by more than 1.9 standard deviations. @default false
   */
  successRate: v.optional(v.boolean(), false),
});

export const HealthCheckOptions = v.pipe(
  v.strictObject({
    /**
     * How backends are asked. `http`: GET of the adapter's health path, 200 is up; an adapter without one is not
     * asked. `tcp`: a connection is made. `models`: the model list, which must be one. @default "http"
     */
    check: v.optional(Check, "http"),
    /** `http` only: this path instead of the adapter's, from the root of the server. */
    path: v.optional(CheckPath),
    /** Between two checks of a backend, in milliseconds, plus up to a tenth at random. @default 10_000 */
    intervalMs: v.optional(Milliseconds, 10_000),
    /** A check that takes longer has failed, in milliseconds. @default 2_000 */
    timeoutMs: v.optional(Milliseconds, 2_000),
    /** Failed checks in a row after which a backend is down. @default 3 */
    downAfter: v.optional(Count, 3),
    /** Passed checks in a row after which it is up again. @default 2 */
    upAfter: v.optional(Count, 2),
    /** Ejection for what live requests show. */
    ejection: v.optional(EjectionOptions, {}),
    /** With a smaller share of healthy backends, ejected ones are used all the same. 0: never. @default 0.5 */
    panicShare: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.5),
    /** A backend that comes back gets a share of the requests that grows over this time, in milliseconds. @default 30_000 */
    rampMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 30_000),
    /** Checks of single backends, by name. @default {} */
    backends: v.optional(
      v.record(
        v.string(),
        v.strictObject({
          /** As the plugin's. */
          check: v.optional(Check),
          /** As the plugin's. */
          path: v.optional(CheckPath),
        }),
      ),
      {},
    ),
    /** Called after each change of a backend's health. */
    onChange: v.optional(
      v.custom<(change: HealthChange) => void>(
        (input) => typeof input === "function",
        "Expected a function of a change",
      ),
    ),
  }),
  v.check(
    ({ ejection }) => ejection.baseMs <= ejection.maxMs,
    "an object whose `ejection.baseMs` is not above `ejection.maxMs`",
  ),
);

export type HealthCheckOptions = v.InferOutput<typeof HealthCheckOptions>;
export type EjectionOptions = v.InferOutput<typeof EjectionOptions>;
