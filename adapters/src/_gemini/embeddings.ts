import { drop, isEmpty, isJsonObject, sortFields, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { checkEncoding, toFloatBase64 } from "../_embedding-encoding.ts";
import { resourceName } from "./model-path.ts";

/** Fates of the fields of an embeddings request. */
export const embeddingsFields: FieldTable = {
  model: translate("in the path and in each request"),
  input: translate("a request for each text; tokens are refused"),
  dimensions: translate("`outputDimensionality`"),
  encoding_format: translate("`base64` is made from the numbers of the reply"),
  taskType: translate("a field of Gemini's own, in each request"),
  title: translate("a field of Gemini's own, in each request"),
  user: drop("Gemini knows no end users", isEmpty),
};

/** https://ai.google.dev/api/embeddings#method:-models.batchembedcontents. */
export function toEmbedRequest(request: JsonObject, info: MappingInfo<unknown>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, embeddingsFields, dropped);
  checkEncoding(translated["encoding_format"]);
  const { dimensions, taskType, title } = translated;
  const requests = toTexts(translated["input"]).map((text) => ({
    model: resourceName(info.model),
    content: { parts: [{ text }] },
    ...(taskType !== undefined && { taskType }),
    ...(title !== undefined && { title }),
    ...(dimensions !== undefined && { outputDimensionality: dimensions }),
  }));
  return { body: { ...forwarded, requests }, dropped: [...dropped] };
}

/** Order is kept. Gemini counts the tokens of newer models alone: where it does not, there is no usage. */
export function fromEmbedReply(reply: JsonObject, info: MappingInfo<unknown>): JsonObject {
  const vectors = (reply["embeddings"] as { values: number[] }[]).map(({ values }) => values);
  const { usageMetadata } = reply;
  const tokens = isJsonObject(usageMetadata) ? usageMetadata["promptTokenCount"] : undefined;
  return toEmbeddingList(vectors, typeof tokens === "number" ? tokens : undefined, info);
}

/** The hub's reply, in the encoding that was asked for. */
export function toEmbeddingList(
  vectors: readonly number[][],
  tokens: number | undefined,
  info: MappingInfo<unknown>,
): JsonObject {
  const encode =
    info.request["encoding_format"] === "base64" ? toFloatBase64 : (numbers: number[]) => numbers;
  return {
    object: "list",
    data: vectors.map((numbers, index) => ({ object: "embedding", index, embedding: encode(numbers) })),
    model: info.requestedModel,
    ...(tokens !== undefined && { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  };
}

export function toTexts(input: unknown): string[] {
  const texts: unknown[] = Array.isArray(input) ? input : [input];
  if (texts.length > 0 && texts.every((text) => typeof text === "string")) return texts;
  throw new UnsupportedField("input", "`input`: Gemini takes texts only");
}
