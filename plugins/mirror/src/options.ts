import * as v from "valibot";
import type { Comparison } from "./comparison.ts";

const Name = v.pipe(v.string(), v.nonEmpty());
const Whole = v.pipe(v.number(), v.integer(), v.minValue(1));

/** Where copies go: a model by its name, for which the principal is asked, or one backend's model. */
export const MirrorPlace = v.strictObject(
  {
    /** Name of a backend in the config. @default whichever serves the model */
    backend: v.optional(Name),
    /** The model that gets the copies. */
    model: Name,
  },
  "an object with `model`, and `backend` where one alone is meant",
);

export const MirrorOptions = v.strictObject({
  /** Where copies go: `{ model: "gpt-4.1" }`, or `{ backend: "local", model: "qwen2.5:7b" }`. */
  to: MirrorPlace,
  /** Share of the requests that is copied, 0 to 1. */
  share: v.pipe(v.number("a number from 0 to 1"), v.minValue(0), v.maxValue(1)),
  /** Operations that are copied. @default all that may be repeated and have a JSON body */
  operations: v.optional(v.array(Name)),
  /** Copies that run at once in this process; beyond, requests are not copied. @default 16 */
  maxInFlight: v.optional(Whole, 16),
  /** A copy that takes longer is given up, in milliseconds. @default 120_000 */
  timeoutMs: v.optional(Whole, 120_000),
  /** A longer answer to a copy is given up, in bytes. @default 8_388_608 */
  maxBytes: v.optional(Whole, 8_388_608),
  /** Called with each comparison. What it throws, or rejects with, goes to the log. */
  onCompared: v.optional(
    v.custom<(comparison: Comparison) => unknown>(
      (input) => typeof input === "function",
      "Expected a function of a comparison",
    ),
  ),
});

export type MirrorPlace = v.InferOutput<typeof MirrorPlace>;
export type MirrorOptions = v.InferOutput<typeof MirrorOptions>;
