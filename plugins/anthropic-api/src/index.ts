import { createReasoningEfforts, defineGatewayPlugin, KeptPlaces } from "gatewright";
import type { FieldTable, GatewayPluginFactory, OperationName } from "gatewright";
import { messagesFields } from "./fields.ts";
import { createModelList } from "./model-list.ts";
import { createOperations } from "./operations.ts";
import { AnthropicApiOptions } from "./options.ts";
import { followThread } from "./threads.ts";

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
  operations: ["messages", "claudeMessages", "messagesCountTokens", "anthropicModels"],
  setup({ reasoningEfforts, threadTtlMs }, gateway) {
    const threads = new KeptPlaces({ state: gateway.state, log: gateway.log, ttlMs: threadTtlMs });
    return {
      operations: [
        ...createOperations(createReasoningEfforts(reasoningEfforts)),
        createModelList(gateway.operations.get("models")!),
      ],
      middleware: function anthropicApi(ctx, next) {
        const { name } = ctx.operation;
        const hasThreads = name === "messages" || name === "claudeMessages";
        return hasThreads && ctx.body.typeOf("thread") === "object"
          ? followThread(ctx, next, threads)
          : next();
      },
      close: () => threads.close(),
    };
  },
});
