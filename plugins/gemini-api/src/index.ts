import { createReasoningEfforts, defineGatewayPlugin, isEventStream } from "gatewright";
import type { Context, FieldTable, GatewayPluginFactory, OperationName, Reply } from "gatewright";
import { generateContentFields } from "./chat-request.ts";
import {
  batchEmbedContentsFields,
  embedContentFields,
  geminiBatchEmbedContents,
  geminiEmbedContent,
} from "./embeddings.ts";
import {
  createGenerateContent,
  geminiCountTokens,
  geminiGenerateContent,
  STREAM_METHOD,
} from "./generate-content.ts";
import { toJsonArray } from "./json-array.ts";
import { geminiModels } from "./models.ts";
import { GeminiApiOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    generateContent: true;
    geminiGenerateContent: true;
    geminiCountTokens: true;
    geminiEmbedContent: true;
    geminiBatchEmbedContents: true;
    geminiModels: true;
  }
}

/** What becomes of each request field on its way to a backend of another dialect, by operation. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  generateContent: generateContentFields,
  geminiEmbedContent: embedContentFields,
  geminiBatchEmbedContents: batchEmbedContentsFields,
};

/**
 * Lets clients of Google's Gemini API in. Gemini backends get and give its bytes; for all others requests, replies and
 * streams are translated by way of chat and embeddings.
 */
export const geminiApi: GatewayPluginFactory<typeof GeminiApiOptions> = defineGatewayPlugin({
  name: "gemini-api",
  options: GeminiApiOptions,
  headersOnly: true,
  operations: [
    "generateContent",
    "geminiGenerateContent",
    "geminiCountTokens",
    "geminiEmbedContent",
    "geminiBatchEmbedContents",
    "geminiModels",
  ],
  setup: ({ reasoningEfforts }) => ({
    operations: [
      createGenerateContent(createReasoningEfforts(reasoningEfforts)),
      geminiGenerateContent,
      geminiCountTokens,
      geminiEmbedContent,
      geminiBatchEmbedContents,
      geminiModels,
    ],
    middleware: function geminiApi(ctx, next) {
      return wantsJsonArray(ctx) ? next().then((reply) => asJsonArray(reply, ctx.id)) : next();
    },
  }),
});

function wantsJsonArray({ operation, request }: Context): boolean {
  if (operation.name !== "generateContent" || !request.path.endsWith(`:${STREAM_METHOD}`)) return false;
  return new URLSearchParams(request.query).get("alt") !== "sse";
}

function asJsonArray(reply: Reply, requestId: string): Reply {
  if (!isEventStream(reply.body)) return reply;
  const headers = { ...reply.headers, "content-type": "application/json; charset=UTF-8" };
  return { ...reply, headers, body: toJsonArray(reply.body, requestId) };
}
