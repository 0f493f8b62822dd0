import { compact, isJsonObject, translate } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { resourceName } from "./model-path.ts";

declare module "gatewright" {
  interface OperationNames {
    generateContent: true;
    geminiCountTokens: true;
    geminiEmbedContent: true;
    geminiBatchEmbedContents: true;
    interactions: true;
  }
}

/** Fates of the fields of a count: one of the two is given. */
export const countTokensFields: FieldTable = {
  model: translate("in the path"),
  generateContentRequest: translate("its `model` becomes the name at the backend"),
};

/** Gemini's own count of tokens: the body names the model once more where it counts a whole request. */
export function toCountRequest(request: JsonObject, info: MappingInfo<unknown>): MappedRequest {
  const { model: _, ...body } = compact(request);
  const { generateContentRequest: whole } = body;
  return { body: isJsonObject(whole) ? { ...body, generateContentRequest: named(whole, info) } : body };
}

/** Fates of the fields of a batch of embeddings. */
export const batchEmbedFields: FieldTable = {
  model: translate("in the path"),
  requests: translate("the `model` of each becomes the name at the backend"),
};

/** Gemini's own batch of embeddings, each item of which names the model once more. */
export function toBatchEmbedRequest(request: JsonObject, info: MappingInfo<unknown>): MappedRequest {
  const { model: _, ...body } = request;
  const { requests } = body;
  if (!Array.isArray(requests)) return { body };
  const items: unknown[] = requests;
  return { body: { ...body, requests: items.map((one) => (isJsonObject(one) ? named(one, info) : one)) } };
}

/** A reply in the client's own dialect. */
export function asItIs(reply: JsonObject): JsonObject {
  return reply;
}

function named(request: JsonObject, { model }: MappingInfo<unknown>): JsonObject {
  return { ...request, model: resourceName(model) };
}
