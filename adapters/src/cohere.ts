import { defineAdapter, isJsonObject } from "gatewright";
import type { Adapter, FieldTable, JsonObject, ListedModel, OperationName } from "gatewright";
import { chatStream, fromChatReply } from "./_cohere/chat-reply.ts";
import { toSentHeaders } from "./_extra-headers.ts";
import { chatFields, toChatRequest } from "./_cohere/chat-request.ts";
import { embeddingsFields, fromEmbedReply, toEmbedRequest } from "./_cohere/embeddings.ts";
import { CohereOptions } from "./_cohere/options.ts";
import { errorInReply } from "./_cohere/reply.ts";
import { fromRerankReply, rerankFields, toRerankRequest } from "./_cohere/rerank.ts";

export { CohereOptions };

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  embeddings: embeddingsFields,
  rerank: rerankFields,
};

/** Cohere by its API v2, which has what its OpenAI surface cannot say: documents, citations, plans, reranking. */
const cohere: Adapter<typeof CohereOptions> = defineAdapter({
  name: "cohere",
  provider: "cohere",
  options: CohereOptions,
  baseURL: "https://api.cohere.com",
  auth(apiKey): Record<string, string> {
    return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  },
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    chat: { path: "/v2/chat", toRequest: toChatRequest, fromResponse: fromChatReply, stream: chatStream },
    // https://docs.cohere.com/reference/embed
    embeddings: { path: "/v2/embed", toRequest: toEmbedRequest, fromResponse: fromEmbedReply, maxInputs: 96 },
    rerank: { path: "/v2/rerank", toRequest: toRerankRequest, fromResponse: fromRerankReply },
  },
  vendorPrefixes: ["cohere"],
  modelPatterns: ["command-*", "c4ai-aya-*", "embed-*", "rerank-*"],
  // The largest page there is: https://docs.cohere.com/v2/reference/list-models
  models: { path: "/v1/models?page_size=1000", read: readModels, nextPage },
  health: { path: "/v1/models?page_size=1" },
  errorInReply,
  fromError(status, body) {
    const message = isJsonObject(body) && typeof body["message"] === "string" ? body["message"] : "";
    const said = message === "" ? {} : { message };
    // A status of Cohere's own for tokens that are not valid: https://docs.cohere.com/v2/reference/errors
    if (status === 498) return { status: 401, ...said };
    return status === 404 ? { ...said, code: "model_not_found", param: "model" } : said;
  },
});

export default cohere;

const OPERATIONS: ReadonlyMap<unknown, OperationName> = new Map([
  ["chat", "chat"],
  ["embed", "embeddings"],
  ["rerank", "rerank"],
]);

/** https://docs.cohere.com/reference/list-models. */
function nextPage(body: unknown): Record<string, string> | undefined {
  const { next_page_token: token } = body as JsonObject;
  return typeof token === "string" && token !== "" ? { page_token: token } : undefined;
}

function readModels(body: unknown): ListedModel[] {
  if (!isJsonObject(body) || !Array.isArray(body["models"]))
    throw new TypeError("the model list has no `models`");
  return body["models"].filter(isJsonObject).flatMap(({ name, endpoints, context_length }) => {
    if (typeof name !== "string") return [];
    return {
      id: name,
      ownedBy: "cohere",
      ...(Array.isArray(endpoints) && {
        operations: endpoints.flatMap((endpoint) => OPERATIONS.get(endpoint) ?? []),
      }),
      ...(typeof context_length === "number" && { maxInputTokens: context_length }),
    };
  });
}
