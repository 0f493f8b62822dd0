import { createReasoningEfforts, defineGatewayPlugin } from "gatewright";
import type { FieldTable, GatewayPluginFactory, Next, OperationName, Reply } from "gatewright";
import { messagesFields } from "./fields.ts";
import { toModelList } from "./model-list.ts";
import { createOperations } from "./operations.ts";
import { AnthropicApiOptions } from "./options.ts";

export type { AnthropicApiOptions } from "./options.ts";

/** What becomes of each request field at backends without this API. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = { messages: messagesFields };

/**
 * The Anthropic Messages API: clients that speak it, Claude Code among them, work with every chat backend. Backends
 * that speak it themselves get the client's bytes.
 */
export const anthropicApi: GatewayPluginFactory<typeof AnthropicApiOptions> = defineGatewayPlugin({
  name: "anthropic-api",
  options: AnthropicApiOptions,
  operations: ["messages", "claudeMessages", "messagesCountTokens"],
  setup: ({ reasoningEfforts }) => ({
    operations: createOperations(createReasoningEfforts(reasoningEfforts)),
    middleware: function anthropicApi(ctx, next) {
      const lists = ctx.operation.name === "models" && ctx.request.headers["anthropic-version"] !== undefined;
      return lists ? listModels(next) : next();
    },
  }),
});

/** The path is OpenAI's as well: the header tells who asks. */
async function listModels(next: Next): Promise<Reply> {
  return toModelList(await next());
}
