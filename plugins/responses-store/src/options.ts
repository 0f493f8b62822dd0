import * as v from "valibot";

const DAY_MS = 86_400_000;

export const ResponsesStoreOptions = v.strictObject({
  /** How long a response is known, in milliseconds, at most a year. @default 2_592_000_000 */
  ttlMs: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(365 * DAY_MS)),
    30 * DAY_MS,
  ),
  /** A response that is larger together with its history is not kept, in bytes. @default 1_048_576 */
  maxBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1_048_576),
  /** Backends that take responses but keep none: those are kept here. @default [] */
  stateless: v.optional(v.array(v.string()), []),
});

export type ResponsesStoreOptions = v.InferOutput<typeof ResponsesStoreOptions>;
