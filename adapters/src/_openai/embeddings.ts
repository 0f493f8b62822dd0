import { isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { toFloatBase64 } from "../_embedding-encoding.ts";
import { become, changedMapping } from "./field-changes.ts";
import type { FieldChanges, FieldedMapping } from "./field-changes.ts";

const encodingChanges: FieldChanges = {
  encoding_format: become("asked for as numbers; `base64` is made of them here", () => ({})),
};

/**
 * Embeddings of a server that has no base64, or refuses the word. OpenAI's own SDK asks for it whenever its caller
 * named no format, so it is made here.
 */
export function numberEmbeddings(path: string, changes: FieldChanges = {}): FieldedMapping {
  return changedMapping(
    path,
    { changes: { ...encodingChanges, ...changes } },
    { fromResponse: toAskedEncoding },
  );
}

function toAskedEncoding(reply: JsonObject, { request }: MappingInfo<unknown>): JsonObject {
  const { data } = reply;
  if (request["encoding_format"] !== "base64" || !Array.isArray(data)) return reply;
  return { ...reply, data: data.map(toEncoded) };
}

function toEncoded(item: unknown): unknown {
  if (!isJsonObject(item) || !isNumbers(item["embedding"])) return item;
  return { ...item, embedding: toFloatBase64(item["embedding"]) };
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((number) => typeof number === "number");
}
