import { isJsonObject, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";
import { become, changedMapping } from "./field-changes.ts";
import type { FieldChanges, FieldedMapping } from "./field-changes.ts";

const rerankFields: FieldChanges = {
  documents: become("objects with `text` as texts", (documents) => ({ documents: toTexts(documents) })),
};

/**
 * Rerank of servers that take texts alone; core brings every reply into one shape. What a server calls its counts is
 * read as `usage`.
 */
export function textRerank(path: string): FieldedMapping {
  return changedMapping(path, { changes: rerankFields }, { fromResponse: withUsage });
}

function toTexts(documents: unknown): unknown {
  if (!Array.isArray(documents)) return documents;
  return documents.map((document: unknown, index) => {
    if (typeof document === "string") return document;
    if (isJsonObject(document) && typeof document["text"] === "string") return document["text"];
    throw wrongShape(`documents[${index}]`, "a text", document);
  });
}

/** Xinference counts in `meta.tokens`, as Cohere's first version did. */
function withUsage(reply: JsonObject): JsonObject {
  const meta = reply["meta"];
  const tokens = isJsonObject(meta) ? meta["tokens"] : undefined;
  if (reply["usage"] !== undefined || !isJsonObject(tokens) || typeof tokens["input_tokens"] !== "number")
    return reply;
  const prompt = tokens["input_tokens"];
  const output = typeof tokens["output_tokens"] === "number" ? tokens["output_tokens"] : 0;
  return { ...reply, usage: { prompt_tokens: prompt, total_tokens: prompt + output } };
}
