import { isJsonObject } from "gatewright";
import type { JsonObject, ListedModel } from "gatewright";

/**
 * `{ data: [{ id, created?, owned_by? }] }`, or that list alone (Together). The longest prompt goes by several names:
 * `max_model_len` (vLLM, SGLang), `context_length` (OpenRouter, Together), `context_window` (Groq) and
 * `max_context_length` (Mistral).
 */
export function readModels(body: unknown): ListedModel[] {
  const list = isJsonObject(body) ? body["data"] : body;
  // A list of something else than models is none, an empty one is.
  if (!Array.isArray(list) || (list === body && list.length === 0))
    throw new TypeError("the model list has no `data`");
  return list.filter(isJsonObject).flatMap((model) => {
    const { id, created, owned_by } = model;
    if (typeof id !== "string") return [];
    const maxInputTokens = firstCount(model, [
      "max_model_len",
      "context_length",
      "context_window",
      "max_context_length",
    ]);
    return {
      id,
      ...(typeof created === "number" && { created }),
      ...(typeof owned_by === "string" && { ownedBy: owned_by }),
      ...(maxInputTokens !== undefined && { maxInputTokens }),
    };
  });
}

function firstCount(model: JsonObject, names: readonly string[]): number | undefined {
  return names.map((name) => model[name]).find((value) => typeof value === "number" && value > 0) as
    | number
    | undefined;
}
