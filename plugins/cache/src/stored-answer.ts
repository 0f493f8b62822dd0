import { EventPipe } from "gatewright";
import type { PipedEvent, Reply } from "gatewright";
import * as v from "valibot";

/** A whole answer as it is kept; plain data, so that state can hold it. Times are milliseconds of the store's clock. */
export const StoredAnswer = v.object({
  storedAt: v.number(),
  expiresAt: v.number(),
  headers: v.record(v.string(), v.string()),
  /** Text of a whole reply, or the events of a stream as type and data. */
  body: v.union([v.string(), v.array(v.object({ type: v.optional(v.string()), data: v.string() }))]),
});
export type StoredAnswer = v.InferOutput<typeof StoredAnswer>;
export type StoredEvent = Exclude<StoredAnswer["body"], string>[number];

/** The answer again. Each call makes a reply of its own. */
export function toReply({ headers, body }: StoredAnswer, ageMs: number): Reply {
  return {
    status: 200,
    headers: { ...headers, age: String(Math.floor(ageMs / 1_000)) },
    body: typeof body === "string" ? body : replay(body),
  };
}

/** All events are at hand, so there is nothing to pause and nothing to give up. */
const NO_OWNER = { onCancel(): void {}, onPressure(): void {} };

function replay(events: readonly StoredEvent[]): EventPipe {
  const pipe = new EventPipe(NO_OWNER);
  for (const event of events) pipe.push(toPipedEvent(event));
  pipe.end();
  return pipe;
}

/** Parsed only when a plugin looks at it. Terminators such as `[DONE]` are not JSON. */
function toPipedEvent({ type, data }: StoredEvent): PipedEvent {
  return {
    type,
    data,
    get json(): unknown {
      return data.startsWith("{") ? (JSON.parse(data) as unknown) : undefined;
    },
  };
}
