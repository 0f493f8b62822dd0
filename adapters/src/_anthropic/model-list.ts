import { isJsonObject } from "gatewright";
import type { ListedModel } from "gatewright";

/** All that a page can hold: the list has been far below it since there is one. */
export const MODELS_PATH = "/v1/models?limit=1000";

/** Reads a page of `GET /v1/models`. Models that are no longer served stay listed there, as `retired`. */
export function readModels(body: unknown): ListedModel[] {
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
