import { defineAdapter } from "gatewright";
import type { Adapter, ListedModel, OperationName } from "gatewright";
import type { FieldTable } from "gatewright";
import { isJsonObject } from "gatewright";
import { toSentHeaders } from "./_extra-headers.ts";
import { chatStream, fromChatReply } from "./_ollama/chat-reply.ts";
import { chatFields, toChatRequest } from "./_ollama/chat-request.ts";
import {
  completionsFields,
  fromGenerateReply,
  generateStream,
  toGenerateRequest,
} from "./_ollama/completions.ts";
import { embeddingsFields, fromEmbedReply, toEmbedRequest } from "./_ollama/embeddings.ts";
import { OllamaOptions } from "./_ollama/options.ts";
import { errorInReply, toErrorMessage } from "./_ollama/reply.ts";
import { KNOWN_EFFORTS } from "./_reasoning-efforts.ts";

export { OllamaOptions };

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  completions: completionsFields,
  embeddings: embeddingsFields,
};

/**
 * Ollama by its native API, which takes what its OpenAI surface ignores or cannot say: `num_ctx`, `keep_alive`, the
 * model's own sampling defaults.
 */
const ollama: Adapter<typeof OllamaOptions> = defineAdapter({
  name: "ollama",
  provider: "ollama",
  options: OllamaOptions,
  baseURL: "http://127.0.0.1:11434",
  auth: toAuth,
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    chat: { path: "/api/chat", toRequest: toChatRequest, fromResponse: fromChatReply, stream: chatStream },
    completions: {
      path: "/api/generate",
      toRequest: toGenerateRequest,
      fromResponse: fromGenerateReply,
      stream: generateStream,
    },
    embeddings: { path: "/api/embed", toRequest: toEmbedRequest, fromResponse: fromEmbedReply },
  },
  reasoningEfforts: KNOWN_EFFORTS,
  models: { path: "/api/tags", read: readModels },
  health: { path: "/api/version" },
  // Not by its model list, which other servers answer too (docs.ollama.com/api).
  recognition: [
    {
      rank: 4,
      path: "/api/version",
      fits: (body) => isJsonObject(body) && typeof body["version"] === "string",
    },
    { rank: 4, path: "/", fits: (body) => body === "Ollama is running" },
  ],
  errorInReply,
  fromError(status, body) {
    if (!isJsonObject(body) || !body["error"]) return {};
    const message = toErrorMessage(body["error"]);
    return status === 404 ? { message, code: "model_not_found", param: "model" } : { message };
  },
});

export default ollama;

/** A local server has no keys; the vendor's cloud does. */
function toAuth(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

function readModels(body: unknown): ListedModel[] {
  if (!isJsonObject(body)) throw new TypeError("the model list is not an object");
  // An empty list may come as null.
  const models = body["models"] ?? [];
  if (!Array.isArray(models)) throw new TypeError("the model list has no `models`");
  return models.filter(isJsonObject).flatMap(({ name, modified_at, capabilities }) => {
    if (typeof name !== "string") return [];
    const createdMs = typeof modified_at === "string" ? Date.parse(modified_at) : Number.NaN;
    return {
      id: name,
      ...(!Number.isNaN(createdMs) && { created: Math.floor(createdMs / 1000) }),
      ...(Array.isArray(capabilities) && { operations: toOperations(capabilities) }),
    };
  });
}

function toOperations(capabilities: readonly unknown[]): OperationName[] {
  const operations: OperationName[] = [];
  if (capabilities.includes("completion")) operations.push("chat", "completions");
  if (capabilities.includes("embedding")) operations.push("embeddings");
  return operations;
}
