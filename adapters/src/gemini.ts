import { defineAdapter } from "gatewright";
import type { Adapter, FieldTable, MappingInfo, OperationName } from "gatewright";
import { toSentHeaders } from "./_extra-headers.ts";
import { fromChatReply } from "./_gemini/chat-reply.ts";
import { chatFields, toChatRequest } from "./_gemini/chat-request.ts";
import { chatStream } from "./_gemini/chat-stream.ts";
import { countFields, fromCountReply, toCountRequest } from "./_gemini/count.ts";
import { embeddingsFields, fromEmbedReply, toEmbedRequest } from "./_gemini/embeddings.ts";
import { errorInReply, readError, readRetryDelay } from "./_gemini/errors.ts";
import { FOREIGN_SIGNATURES } from "./_gemini/foreign-signatures.ts";
import { generateMethod, methodPath } from "./_gemini/model-path.ts";
import { modelList } from "./_gemini/models.ts";
import {
  asItIs,
  batchEmbedFields,
  countTokensFields,
  toBatchEmbedRequest,
  toCountRequest as toNativeCountRequest,
} from "./_gemini/native.ts";
import { GeminiOptions } from "./_gemini/options.ts";
import { GEMINI_EFFORTS } from "./_reasoning-efforts.ts";

export { GeminiOptions };

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  countTokens: countFields,
  embeddings: embeddingsFields,
  geminiCountTokens: countTokensFields,
  geminiBatchEmbedContents: batchEmbedFields,
};

/**
 * Google's Gemini API. Chat and embeddings are translated; clients that speak Gemini's own dialect have it as it is.
 * The key goes into a header, never into the query, which gets logged.
 */
const gemini: Adapter<typeof GeminiOptions> = defineAdapter({
  name: "gemini",
  provider: "gemini",
  options: GeminiOptions,
  baseURL: "https://generativelanguage.googleapis.com/v1beta",
  auth: toAuth,
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    chat: {
      path: generatePath,
      toRequest: toChatRequest,
      fromResponse: fromChatReply,
      stream: chatStream,
    },
    embeddings: {
      // Its own words for more: "at most 100 requests can be in one batch".
      maxInputs: 100,
      path: ({ model }) => methodPath(model, "batchEmbedContents"),
      toRequest: toEmbedRequest,
      fromResponse: fromEmbedReply,
    },
    countTokens: {
      path: ({ model }) => methodPath(model, "countTokens"),
      toRequest: toCountRequest,
      fromResponse: fromCountReply,
    },
    generateContent: { path: generatePath, foreign: FOREIGN_SIGNATURES },
    geminiCountTokens: {
      path: ({ model }) => methodPath(model, "countTokens"),
      toRequest: toNativeCountRequest,
      fromResponse: asItIs,
    },
    interactions: { path: "/interactions" },
    geminiEmbedContent: { path: ({ model }) => methodPath(model, "embedContent") },
    geminiBatchEmbedContents: {
      path: ({ model }) => methodPath(model, "batchEmbedContents"),
      toRequest: toBatchEmbedRequest,
      fromResponse: asItIs,
    },
  },
  reasoningEfforts: GEMINI_EFFORTS,
  vendorPrefixes: ["google", "gemini"],
  modelPatterns: ["gemini-*", "gemma-*", "text-embedding-00*", "embedding-00*"],
  models: modelList,
  health: { path: "/models?pageSize=1" },
  errorInReply,
  fromError: (_status, body) => readError(body),
  retryAfterMs: readRetryDelay,
});

export default gemini;

function toAuth(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { "x-goog-api-key": apiKey };
}

function generatePath({ model, stream }: Pick<MappingInfo, "model" | "stream">): string {
  return methodPath(model, generateMethod(stream));
}
