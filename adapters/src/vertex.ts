import { defineAdapter } from "gatewright";
import type { Adapter, FieldTable, MappingInfo, OperationName } from "gatewright";
import { retryAfterMs } from "./_anthropic/errors.ts";
import { toSentHeaders } from "./_extra-headers.ts";
import { chatFields } from "./_gemini/chat-request.ts";
import { readRetryDelay } from "./_gemini/errors.ts";
import { FOREIGN_SIGNATURES } from "./_gemini/foreign-signatures.ts";
import { generateMethod } from "./_gemini/model-path.ts";
import { asItIs } from "./_gemini/native.ts";
import { chatPath, chatStream, fromChatReply, rawMethod, toChatRequest } from "./_vertex/chat.ts";
import { accessTokens, credentialKind } from "./_vertex/credential.ts";
import { embeddingsFields, fromEmbedReply, toEmbedRequest } from "./_vertex/embeddings.ts";
import { errorInReply, fromError } from "./_vertex/errors.ts";
import { baseURLOf, isClaude, isGoogles, methodPath, usesEmbedContent } from "./_vertex/model-path.ts";
import {
  countTokensFields,
  messagesCountFields,
  messagesFields,
  messagesStream,
  toCountRequest,
  toMessagesCount,
  toMessagesRequest,
} from "./_vertex/native.ts";
import { VertexOptions } from "./_vertex/options.ts";
import type { VertexSettings } from "./_vertex/options.ts";
import { KNOWN_EFFORTS } from "./_reasoning-efforts.ts";

export { VertexOptions };

/** What becomes of each request field, by operation; for chat with Claude, see the `anthropic` adapter. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  embeddings: embeddingsFields,
  messages: messagesFields,
  messagesCountTokens: messagesCountFields,
  geminiCountTokens: countTokensFields,
};

type Served = Pick<MappingInfo<VertexSettings>, "model" | "options" | "stream">;

/**
 * Vertex AI: Google's models, and Anthropic's that it hosts. The publisher follows from the model's name or from the
 * option. `apiKey` is the JSON of a service account, an access token, or an API key (express mode). Vertex AI lists no
 * models that a project could be sure to have, so that a backend lists its own, and there is no probe that costs nothing.
 */
const vertex: Adapter<typeof VertexOptions> = defineAdapter({
  name: "vertex",
  provider: "vertex",
  options: VertexOptions,
  baseURL: baseURLOf,
  auth: toAuth,
  async authorize({ headers }, { apiKey, options, refused, signal }) {
    if (apiKey === undefined || credentialKind(apiKey, options) !== "serviceAccount")
      return refused ? undefined : {};
    // The token that was refused, so that a newer one of another request's is kept.
    const sent = refused ? headers["authorization"]?.slice("Bearer ".length) : undefined;
    return bearer(await accessTokens.token(apiKey, { signal, refused: sent }));
  },
  headers: ({ headers }) => toSentHeaders(headers),
  forwardHeaders: ["anthropic-beta"],
  operations: {
    chat: { path: chatPath, toRequest: toChatRequest, fromResponse: fromChatReply, stream: chatStream },
    embeddings: {
      // https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
      maxInputs: 250,
      path: ({ model, options }) =>
        methodPath(model, options, usesEmbedContent(model) ? "embedContent" : "predict"),
      serves: isGoogles,
      toRequest: toEmbedRequest,
      fromResponse: fromEmbedReply,
    },
    messages: {
      path: ({ model, options, stream }: Served) => methodPath(model, options, rawMethod(stream)),
      serves: isClaude,
      toRequest: toMessagesRequest,
      fromResponse: asItIs,
      stream: messagesStream,
    },
    messagesCountTokens: {
      path: ({ options }: Served) =>
        methodPath("count-tokens", { ...options, publisher: "anthropic" }, "rawPredict"),
      serves: isClaude,
      toRequest: toMessagesCount,
      fromResponse: asItIs,
    },
    generateContent: {
      path: ({ model, options, stream }: Served) => methodPath(model, options, generateMethod(stream)),
      serves: isGoogles,
      foreign: FOREIGN_SIGNATURES,
    },
    geminiCountTokens: {
      path: ({ model, options }) => methodPath(model, options, "countTokens"),
      serves: isGoogles,
      toRequest: toCountRequest,
      fromResponse: asItIs,
    },
    geminiEmbedContent: {
      path: ({ model, options }) => methodPath(model, options, "embedContent"),
      serves: usesEmbedContent,
    },
  },
  reasoningEfforts: KNOWN_EFFORTS,
  vendorPrefixes: ["vertex"],
  modelPatterns: [
    "gemini-*",
    "claude-*",
    "text-embedding-00*",
    "text-multilingual-embedding-*",
    "textembedding-gecko*",
  ],
  errorInReply,
  fromError,
  retryAfterMs: (headers, body) => readRetryDelay(headers, body) ?? retryAfterMs(headers),
});

export default vertex;

/** A service account has no credential that is sent: `authorize` fetches one. */
function toAuth(apiKey: string | undefined, options: VertexSettings): Record<string, string> {
  if (apiKey === undefined) return {};
  switch (credentialKind(apiKey, options)) {
    case "apiKey":
      return { "x-goog-api-key": apiKey };
    case "accessToken":
      return bearer(apiKey);
    case "serviceAccount":
      return {};
  }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
