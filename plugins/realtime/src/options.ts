import * as v from "valibot";

const Milliseconds = v.pipe(v.number(), v.integer(), v.minValue(0));

export const RealtimeOptions = v.strictObject({
  /** A session in which neither side says anything for so long is ended, in milliseconds. 0: none is. @default 300_000 */
  idleMs: v.optional(Milliseconds, 300_000),
  /** Longest session, in milliseconds. 0: no limit. @default 3_600_000 */
  maxSessionMs: v.optional(Milliseconds, 3_600_000),
});

export type RealtimeOptions = v.InferOutput<typeof RealtimeOptions>;
