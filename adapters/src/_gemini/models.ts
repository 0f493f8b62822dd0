import { isJsonObject } from "gatewright";
import type { JsonObject, ListedModel, ModelList, OperationName } from "gatewright";

/** Methods of a model and the operations that they serve. */
const OPERATIONS: Readonly<Record<string, readonly OperationName[]>> = {
  generateContent: ["chat", "generateContent"],
  countTokens: ["geminiCountTokens", "countTokens"],
  embedContent: ["embeddings", "geminiEmbedContent", "geminiBatchEmbedContents"],
};

/** https://ai.google.dev/api/models#method:-models.list, the most that a page can hold. */
export const modelList: ModelList = { path: "/models?pageSize=1000", read: readModels, nextPage };

function nextPage(body: unknown): Record<string, string> | undefined {
  const { nextPageToken: pageToken } = body as JsonObject;
  return typeof pageToken === "string" && pageToken !== "" ? { pageToken } : undefined;
}

function readModels(body: unknown): ListedModel[] {
  if (!isJsonObject(body)) throw new TypeError("the model list is not an object");
  // A list without members has no member of its own.
  const { models = Object.keys(body).length === 0 ? [] : undefined } = body;
  if (!Array.isArray(models)) throw new TypeError("the model list has no `models`");
  return models.filter(isJsonObject).flatMap((model) => toListedModel(model));
}

function toListedModel({
  name,
  inputTokenLimit,
  outputTokenLimit,
  supportedGenerationMethods: methods,
}: JsonObject): ListedModel[] {
  if (typeof name !== "string") return [];
  return [
    {
      id: name.replace(/^models\//, ""),
      ownedBy: "google",
      ...(Array.isArray(methods) && { operations: methods.flatMap((method) => operationsOf(method)) }),
      ...(typeof inputTokenLimit === "number" && { maxInputTokens: inputTokenLimit }),
      ...(typeof outputTokenLimit === "number" && { maxOutputTokens: outputTokenLimit }),
    },
  ];
}

function operationsOf(method: unknown): readonly OperationName[] {
  return typeof method === "string" && Object.hasOwn(OPERATIONS, method) ? OPERATIONS[method]! : [];
}
