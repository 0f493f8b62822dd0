import * as v from "valibot";

const Count = v.pipe(v.number(), v.integer(), v.minValue(1));

export const BatchOptions = v.strictObject({
  /** Most requests of one batch. @default 100 */
  maxRequests: v.optional(v.pipe(Count, v.maxValue(10_000)), 100),
  /** How many of a batch run at once. @default 10 */
  concurrency: v.optional(v.pipe(Count, v.maxValue(1_000)), 10),
  /** All replies of a batch together, in bytes. What comes beyond is an error in its place. @default 67_108_864 */
  maxReplyBytes: v.optional(Count, 67_108_864),
});

export type BatchOptions = v.InferOutput<typeof BatchOptions>;
