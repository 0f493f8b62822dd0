import {
  checkWebOrigin,
  defineGatewayPlugin,
  defineOperation,
  openaiDialect,
  readSubprotocols,
} from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { WebsocketApiOptions } from "./options.ts";
import { Session } from "./session.ts";

export type { WebsocketApiOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    webSocket: true;
  }
}

/**
 * `GET /v1/ws`, a WebSocket on which a client sends requests to any operation. It has no place of its own in the chain:
 * list it anywhere.
 */
export const websocketApi: GatewayPluginFactory<typeof WebsocketApiOptions> = defineGatewayPlugin({
  name: "websocket-api",
  options: WebsocketApiOptions,
  operations: ["webSocket"],
  setup: (options, gateway) => ({
    operations: [
      defineOperation({
        name: "webSocket",
        method: "GET",
        paths: ["/v1/ws"],
        dialect: openaiDialect,
        body: "none",
        reply: "json",
        replaySafe: false,
        carriesRequests: true,
        websocket: { readHeaders: readSubprotocols },
        answer(ctx) {
          const { allowedOrigins } = options;
          // A page that has no key to show is one that the config names.
          checkWebOrigin(ctx, (origin) => allowedOrigins?.includes(origin) ?? ctx.principal !== undefined);
          return { status: 101, headers: {}, body: null, switch: new Session(ctx, gateway, options) };
        },
      }),
    ],
  }),
});
