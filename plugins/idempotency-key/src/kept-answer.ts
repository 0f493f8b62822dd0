import * as v from "valibot";

/** An answer as state holds it. */
export const KeptAnswer = v.object({
  version: v.literal(1),
  status: v.number(),
  headers: v.record(v.string(), v.string()),
  /** Text of a whole reply, or the events of a stream as type and data. */
  body: v.union([v.string(), v.array(v.object({ type: v.optional(v.string()), data: v.string() }))]),
});
