import * as v from "valibot";
import type { OperationName } from "gatewright";

/** Up to the global cap of ten minutes. */
const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(600_000));

const limits = {
  /** To the commit point of a stream, or to the whole of any other reply. Off by default. */
  totalMs: v.optional(Milliseconds),
  /** Until some attempt has response headers. Off by default. */
  firstByteMs: v.optional(Milliseconds),
  /** Streams and audio: to the first content. Off by default. */
  firstTokenMs: v.optional(Milliseconds),
  /** Streams after their commit point: between two pieces of them, while the client takes them. Off by default. */
  idleMs: v.optional(Milliseconds),
  /** Streams: from the commit point to the end. Off by default. */
  maxStreamMs: v.optional(Milliseconds),
};

/** All in milliseconds, and counted from when the request reaches this plugin. An absent one does not hold. */
export const Limits = v.strictObject(limits);

const OperationKey = v.custom<OperationName>((name) => typeof name === "string");

export const TimeoutOptions = v.strictObject({
  ...limits,
  /** Limits of some operations, which win over those above: `{ imageGeneration: { totalMs: 300_000 } }`. */
  operations: v.optional(v.record(OperationKey, Limits), {}),
  /** Limits of some models, by the name that is tried; they win over all others. */
  models: v.optional(v.record(v.string(), Limits), {}),
});

export type Limits = v.InferOutput<typeof Limits>;
export type TimeoutOptions = v.InferOutput<typeof TimeoutOptions>;
