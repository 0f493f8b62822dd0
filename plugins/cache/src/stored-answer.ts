import { replayReply } from "gatewright";
import type { Reply, ReplyRecord } from "gatewright";
import * as v from "valibot";

/** A whole answer as it is kept; plain data, so that state can hold it. Times are milliseconds of the store's clock. */
export const StoredAnswer = v.object({
  storedAt: v.number(),
  expiresAt: v.number(),
  headers: v.record(v.string(), v.string()),
  /** Text of a whole reply, or the events of a stream as type and data. */
  body: v.union([v.string(), v.array(v.object({ type: v.optional(v.string()), data: v.string() }))]),
});
export type StoredAnswer = Omit<v.InferOutput<typeof StoredAnswer>, "body"> & Pick<ReplyRecord, "body">;

/** The answer again. Each call makes a reply of its own. */
export function toReply({ headers, body }: StoredAnswer, ageMs: number): Reply {
  return replayReply({ status: 200, headers: { ...headers, age: String(Math.floor(ageMs / 1_000)) }, body });
}
