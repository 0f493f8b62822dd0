import { checkWebOrigin, defineGatewayPlugin, defineOperation } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { mcpDialect } from "./dialect.ts";
import type { McpServer } from "./methods.ts";
import { McpOptions } from "./options.ts";
import { RunningCalls } from "./running-calls.ts";
import { BATCH, serve } from "./serve.ts";

export type { McpOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    mcp: true;
  }
}

/**
 * `POST /mcp`: the Model Context Protocol over streamable HTTP, with the models as tools. It has no place of its own in
 * the chain: list it anywhere.
 */
export const mcp: GatewayPluginFactory<typeof McpOptions> = defineGatewayPlugin({
  name: "mcp",
  options: McpOptions,
  operations: ["mcp"],
  setup(options, gateway) {
    const calls = new RunningCalls(gateway);
    const server: McpServer = { gateway, options, calls };
    const allowed: ReadonlySet<string> = new Set(options.allowedOrigins);
    return {
      operations: [
        defineOperation({
          name: "mcp",
          method: "POST",
          paths: ["/mcp"],
          dialect: mcpDialect,
          body: "json",
          listMember: BATCH,
          reply: "json",
          replaySafe: false,
          carriesRequests: true,
          async answer(ctx) {
            checkWebOrigin(ctx, (origin) => allowed.has(origin));
            return serve(ctx, server);
          },
        }),
      ],
      close: () => calls.close(),
    };
  },
});
