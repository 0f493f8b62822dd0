import { isJsonObject } from "gatewright";
import type { JsonObject, Reply } from "gatewright";

/** OpenAI's list of models, or one of them, in Anthropic's shape. Other replies stay as they are. */
export function toModelList(reply: Reply): Reply {
  if (reply.status !== 200 || typeof reply.body !== "string") return reply;
  const json = JSON.parse(reply.body) as JsonObject;
  const body = Array.isArray(json["data"]) ? toPage(json["data"].filter(isJsonObject)) : toModel(json);
  return { ...reply, body: JSON.stringify(body) };
}

/** All on one page: the gateway's list is never long. */
function toPage(models: readonly JsonObject[]): JsonObject {
  const data = models.map(toModel);
  return {
    data,
    has_more: false,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
  };
}

function toModel({ id, created, max_input_tokens, max_tokens }: JsonObject): JsonObject {
  const createdAt = new Date(typeof created === "number" ? created * 1000 : 0);
  return {
    type: "model",
    id,
    display_name: id,
    created_at: createdAt.toISOString(),
    max_input_tokens: max_input_tokens ?? null,
    max_tokens: max_tokens ?? null,
  };
}
