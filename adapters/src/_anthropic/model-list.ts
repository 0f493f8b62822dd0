import { isJsonObject } from "gatewright";
import type { JsonObject, ListedModel, ModelList } from "gatewright";

/** `GET /v1/models`, the most that a page can hold: https://platform.claude.com/docs/en/api/models/list. */
export const modelList: ModelList = { path: "/v1/models?limit=1000", read: readModels, nextPage };

function nextPage(body: unknown): Record<string, string> | undefined {
  const { has_more, last_id } = body as JsonObject;
  return has_more === true && typeof last_id === "string" ? { after_id: last_id } : undefined;
}

/** Models that are no longer served stay listed, as `retired`. */
function readModels(body: unknown): ListedModel[] {
  if (!isJsonObject(body) || !Array.isArray(body["data"]))
    throw new TypeError("the model list has no `data`");
  return body["data"].filter(isJsonObject).flatMap((model) => {
    const { id, created_at, max_input_tokens, max_tokens, lifecycle } = model;
    if (typeof id !== "string" || lifecycle === "retired") return [];
    const createdMs = typeof created_at === "string" ? Date.parse(created_at) : Number.NaN;
    return {
      id,
      // The epoch stands for a date that is not known.
      ...(createdMs > 0 && { created: Math.floor(createdMs / 1000) }),
      ownedBy: "anthropic",
      ...(typeof max_input_tokens === "number" && { maxInputTokens: max_input_tokens }),
      ...(typeof max_tokens === "number" && { maxOutputTokens: max_tokens }),
    };
  });
}
