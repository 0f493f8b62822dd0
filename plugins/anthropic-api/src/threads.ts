import { GatewayError, isJsonObject, narrowToPlace } from "gatewright";
import type { Context, JsonObject, KeptPlaces, Next, Reply } from "gatewright";

/**
 * A thread is known by the id of its latest message, and lives in the account that began it: what continues it goes there
 * (https://platform.claude.com/docs/en/build-with-claude/message-threads).
 */
export async function followThread(ctx: Context, next: Next, places: KeptPlaces): Promise<Reply> {
  const thread = ctx.body.get("thread");
  if (!isJsonObject(thread)) return next();
  const { type, previous_message_id: previous } = thread;
  if (type === "continue" && typeof previous === "string") {
    const place = await places.find(ctx, previous);
    if (!place) throw missing(previous);
    narrowToPlace(ctx, place, missing(previous));
  }
  const reply = await next();
  await places.note(ctx, reply, messageId);
  return reply;
}

/** Of a message, or of the event that begins its stream. */
function messageId({ type, id, message }: JsonObject): unknown {
  if (type === "message") return id;
  return type === "message_start" && isJsonObject(message) ? message["id"] : undefined;
}

function missing(id: string): GatewayError {
  return new GatewayError("not_found", {
    param: "thread",
    details: { error_code: "thread_not_found" },
    message: `There is no thread of the message '${id.slice(0, 128)}'`,
  });
}
