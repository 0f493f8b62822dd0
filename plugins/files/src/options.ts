import * as v from "valibot";

const DAY_MS = 86_400_000;

export const FilesOptions = v.strictObject({
  /**
   * How long a file or batch is known after it was last used, in milliseconds, at most a year. @default 7_776_000_000
   */
  ttlMs: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(365 * DAY_MS)),
    90 * DAY_MS,
  ),
  /** Most files, and most batches, in the lists of one key; the oldest leave them first. @default 10_000 */
  maxListed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)), 10_000),
});

export type FilesOptions = v.InferOutput<typeof FilesOptions>;
