import { createOperationRoutes, defineGatewayPlugin, defineOperation, openaiDialect } from "gatewright";
import type { GatewayPluginFactory, OperationRoutes } from "gatewright";
import { BatchOptions } from "./options.ts";
import { readRequests } from "./requests.ts";
import { runBatch } from "./run-batch.ts";

export type { BatchOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    batch: true;
  }
}

/** `POST /v1/batch`: many requests in one. It has no place of its own in the chain: list it anywhere. */
export const batch: GatewayPluginFactory<typeof BatchOptions> = defineGatewayPlugin({
  name: "batch",
  options: BatchOptions,
  operations: ["batch"],
  setup(options, gateway) {
    let routes: OperationRoutes | undefined;
    return {
      operations: [
        defineOperation({
          name: "batch",
          method: "POST",
          paths: ["/v1/batch"],
          dialect: openaiDialect,
          body: "json",
          reply: "json",
          replaySafe: false,
          carriesRequests: true,
          async answer(ctx) {
            // Made with the first batch: by then every plugin has added its operations.
            routes ??= createOperationRoutes([...gateway.operations.values()]);
            const requests = readRequests(ctx.body.json, options.maxRequests);
            const responses = await runBatch(ctx, requests, { gateway, options, routes });
            return {
              status: 200,
              headers: { "content-type": "application/json" },
              body: `{"responses":${responses}}`,
            };
          },
        }),
      ],
    };
  },
});
