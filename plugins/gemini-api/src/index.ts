import { createReasoningEfforts, defineGatewayPlugin, isEventStream, KeptPlaces } from "gatewright";
import type { Context, FieldTable, GatewayPluginFactory, OperationName, Reply } from "gatewright";
import { countTokensFields, generateContentFields } from "./chat-request.ts";
import {
  batchEmbedContentsFields,
  embedContentFields,
  geminiBatchEmbedContents,
  geminiEmbedContent,
} from "./embeddings.ts";
import {
  createCountTokens,
  createGenerateContent,
  geminiGenerateContent,
  STREAM_METHOD,
} from "./generate-content.ts";
import { createInteractions } from "./interactions.ts";
import { toJsonArray } from "./json-array.ts";
import { askKeeper, interact } from "./kept-interactions.ts";
import { geminiModels } from "./models.ts";
import { GeminiApiOptions } from "./options.ts";

export type { GeminiApiOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    generateContent: true;
    geminiGenerateContent: true;
    geminiCountTokens: true;
    geminiEmbedContent: true;
    geminiBatchEmbedContents: true;
    geminiModels: true;
    interactions: true;
    interactionRetrieval: true;
    interactionDeletion: true;
    interactionCancellation: true;
  }
}

/** What becomes of each request field on its way to a backend of another dialect, by operation. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  generateContent: generateContentFields,
  geminiCountTokens: countTokensFields,
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
  operations: [
    "generateContent",
    "geminiGenerateContent",
    "geminiCountTokens",
    "geminiEmbedContent",
    "geminiBatchEmbedContents",
    "geminiModels",
    "interactions",
    "interactionRetrieval",
    "interactionDeletion",
    "interactionCancellation",
  ],
  setup({ reasoningEfforts, interactionTtlMs }, gateway) {
    const effortsOf = createReasoningEfforts(reasoningEfforts);
    const places = new KeptPlaces({ state: gateway.state, log: gateway.log, ttlMs: interactionTtlMs });
    return {
      operations: [
        createGenerateContent(effortsOf),
        geminiGenerateContent,
        createCountTokens(effortsOf),
        geminiEmbedContent,
        geminiBatchEmbedContents,
        geminiModels,
        ...createInteractions(),
      ],
      middleware: function geminiApi(ctx, next) {
        switch (ctx.operation.name) {
          case "interactions":
            return interact(ctx, next, places);
          case "interactionRetrieval":
          case "interactionDeletion":
          case "interactionCancellation":
            return askKeeper(ctx, next, places, gateway);
          default:
            return wantsJsonArray(ctx) ? next().then((reply) => asJsonArray(reply, ctx.id)) : next();
        }
      },
      close: () => places.close(),
    };
  },
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
