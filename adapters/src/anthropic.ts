import { defineAdapter } from "gatewright";
import type { Adapter, FieldTable, OperationName } from "gatewright";
import { toSentHeaders } from "./_extra-headers.ts";
import { fromMessagesReply } from "./_anthropic/chat-reply.ts";
import { toMessagesRequest } from "./_anthropic/chat-request.ts";
import { messagesStream } from "./_anthropic/chat-stream.ts";
import { countFields, fromCountReply, toCountRequest } from "./_anthropic/count.ts";
import { errorInReply, fromError, retryAfterMs } from "./_anthropic/errors.ts";
import { chatFields, contentPartFields, messageFields } from "./_anthropic/fields.ts";
import { FOREIGN_THINKING } from "./_anthropic/foreign-thinking.ts";
import { modelList } from "./_anthropic/model-list.ts";
import { AnthropicOptions } from "./_anthropic/options.ts";
import { CLAUDE_EFFORTS } from "./_reasoning-efforts.ts";

export { AnthropicOptions, contentPartFields, messageFields };

declare module "gatewright" {
  interface OperationNames {
    messages: true;
    messagesCountTokens: true;
  }
}

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = {
  chat: chatFields,
  countTokens: countFields,
};

const COUNT_PATH = "/v1/messages/count_tokens";

/** Anthropic, and servers with its Messages API: chat is translated, the API's own operations pass as they are. */
const anthropic: Adapter<typeof AnthropicOptions> = defineAdapter({
  name: "anthropic",
  provider: "anthropic",
  options: AnthropicOptions,
  baseURL: "https://api.anthropic.com",
  auth: toAuth,
  headers: ({ anthropicVersion, betas, headers }) => ({
    "anthropic-version": anthropicVersion,
    ...(betas.length > 0 && { "anthropic-beta": betas.join(",") }),
    ...toSentHeaders(headers),
  }),
  forwardHeaders: ["anthropic-version", "anthropic-beta"],
  operations: {
    chat: {
      path: "/v1/messages",
      toRequest: toMessagesRequest,
      fromResponse: fromMessagesReply,
      stream: messagesStream,
    },
    messages: { path: "/v1/messages", foreign: FOREIGN_THINKING },
    messagesCountTokens: { path: COUNT_PATH, foreign: FOREIGN_THINKING },
    countTokens: { path: COUNT_PATH, toRequest: toCountRequest, fromResponse: fromCountReply },
  },
  reasoningEfforts: CLAUDE_EFFORTS,
  // The second is how a gateway before this one spelt it.
  vendorPrefixes: ["anthropic", "ahtnorpic"],
  modelPatterns: ["claude-*"],
  models: modelList,
  health: { path: "/v1/models?limit=1" },
  errorInReply,
  fromError,
  retryAfterMs,
});

export default anthropic;

function toAuth(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { "x-api-key": apiKey };
}
