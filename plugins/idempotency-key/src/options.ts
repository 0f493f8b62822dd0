import * as v from "valibot";

const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));

export const IdempotencyKeyOptions = v.strictObject({
  /** Request header that holds the key, in any case. @default "idempotency-key" */
  header: v.optional(v.pipe(v.string(), v.nonEmpty(), v.toLowerCase()), "idempotency-key"),
  /** How long an answer can be had again, in milliseconds. @default 86_400_000 */
  ttlMs: v.optional(Milliseconds, 86_400_000),
  /**
   * How long a key is held whose request never ended, since its process did. Never below the longest request. Absent:
   * as `ttlMs`, so that no request runs twice.
   */
  claimMs: v.optional(Milliseconds),
  /** How long a request waits for one with the same key that runs. 0: it is refused at once. @default 0 */
  waitMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /** A longer answer is not kept, in bytes, and cannot be had again. @default 1_048_576 */
  maxBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1_048_576),
  /** Lets requests with a key run unguarded while the store fails; else they are refused. @default false */
  failOpen: v.optional(v.boolean(), false),
});

export type IdempotencyKeyOptions = v.InferOutput<typeof IdempotencyKeyOptions>;
