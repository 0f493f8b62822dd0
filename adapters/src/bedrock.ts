import { defineAdapter, isJsonObject, isSecret, revealSecret } from "gatewright";
import type { Adapter, FieldTable, OperationName, Secret } from "gatewright";
import { converseStream, fromConverseReply } from "./_bedrock/chat-reply.ts";
import { toSentHeaders } from "./_extra-headers.ts";
import { chatFields, toConverseRequest } from "./_bedrock/chat-request.ts";
import { embeddingsFields, fromInvokeReply, toInvokeRequest } from "./_bedrock/embeddings.ts";
import {
  claudeFields,
  claudeStream,
  countFields,
  fromClaudeReply,
  fromCountReply,
  isClaude,
  isCountable,
  toClaudeRequest,
  toCountRequest,
} from "./_bedrock/claude.ts";
import { BedrockOptions } from "./_bedrock/options.ts";
import { BEDROCK_EFFORTS } from "./_bedrock/reasoning.ts";
import { errorInReply } from "./_bedrock/reply.ts";
import { signRequest } from "./_bedrock/signature.ts";

export { BedrockOptions };

declare module "gatewright" {
  interface OperationNames {
    messages: true;
    messagesCountTokens: true;
  }
}

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  embeddings: embeddingsFields,
  messages: claudeFields,
  messagesCountTokens: countFields,
};

/**
 * Amazon Bedrock by its Converse API, which is the same for the models of all vendors; Claude also by its own Messages
 * API, for clients that speak it. Requests carry a Bedrock API key
 * (`apiKey`), or are signed with an access key. Models are listed by another server of Amazon's, `bedrock.{region}`, so
 * that a backend lists its own; a model is an id, an inference profile or an ARN. There is no probe that costs nothing.
 */
const bedrock: Adapter<typeof BedrockOptions> = defineAdapter({
  name: "bedrock",
  provider: "bedrock",
  options: BedrockOptions,
  // https://docs.aws.amazon.com/general/latest/gr/bedrock.html; China is a partition of its own.
  baseURL: ({ region }) =>
    `https://bedrock-runtime.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`,
  auth(apiKey): Record<string, string> {
    return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  },
  async authorize(call, { apiKey, options, refused }) {
    if (refused) return undefined;
    if (apiKey !== undefined) return {};
    const { region, accessKeyId, secretAccessKey, sessionToken } = options;
    if (accessKeyId === undefined || secretAccessKey === undefined)
      throw new Error("bedrock: the backend has neither `apiKey` nor `accessKeyId` and `secretAccessKey`");
    return signRequest(call, {
      region,
      accessKeyId: inClear(accessKeyId),
      secretAccessKey: inClear(secretAccessKey),
      sessionToken: sessionToken && inClear(sessionToken),
    });
  },
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    chat: {
      path: ({ model, stream }) => pathOf(model, stream ? "converse-stream" : "converse"),
      toRequest: toConverseRequest,
      fromResponse: fromConverseReply,
      stream: converseStream,
    },
    embeddings: {
      path: ({ model }) => pathOf(model, "invoke"),
      toRequest: toInvokeRequest,
      fromResponse: fromInvokeReply,
      // Cohere's, and Amazon's own.
      maxInputs: (model) => (model.includes("cohere.embed") ? 96 : 1),
    },
    messages: {
      path: ({ model, stream }) => pathOf(model, stream ? "invoke-with-response-stream" : "invoke"),
      serves: isClaude,
      toRequest: toClaudeRequest,
      fromResponse: fromClaudeReply,
      stream: claudeStream,
    },
    messagesCountTokens: {
      path: ({ model }) => pathOf(model, "count-tokens"),
      serves: isCountable,
      toRequest: toCountRequest,
      fromResponse: fromCountReply,
    },
  },
  reasoningEfforts: BEDROCK_EFFORTS,
  vendorPrefixes: ["bedrock"],
  errorInReply,
  fromError(status, body) {
    // Refusals by the identity service spell it with a capital.
    const message = isJsonObject(body) ? (body["message"] ?? body["Message"]) : undefined;
    if (typeof message !== "string" || message === "") return {};
    return status === 404 ? { message, code: "model_not_found", param: "model" } : { message };
  },
});

export default bedrock;

/** ARNs hold colons and slashes: a model is one segment of the path, and signed as such. */
function pathOf(model: string, action: string): string {
  return `/model/${encodeURIComponent(model)}/${action}`;
}

function inClear(credential: string | Secret): string {
  return isSecret(credential) ? revealSecret(credential) : credential;
}
