import { defineGatewayPlugin, defineOperation, openaiDialect, readSubprotocols } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { RealtimeOptions } from "./options.ts";
import { nameForBackend, nameForClient } from "./session-model.ts";
import { sessionUsage } from "./session-usage.ts";

export type { RealtimeOptions } from "./options.ts";

declare module "gatewright" {
  interface OperationNames {
    realtime: true;
  }
}

/** Query parameters that stay here: adapters name the model, and the others are credentials. */
const OWN_PARAMETERS = ["model", "key", "api-key", "api_key", "access_token"];

/**
 * `GET /v1/realtime?model=…`, a WebSocket that is joined to one of a backend. It has no place of its own in the chain:
 * list it anywhere.
 */
export const realtime: GatewayPluginFactory<typeof RealtimeOptions> = defineGatewayPlugin({
  name: "realtime",
  options: RealtimeOptions,
  operations: ["realtime"],
  setup: ({ idleMs, maxSessionMs }) => ({
    operations: [
      defineOperation({
        name: "realtime",
        method: "GET",
        paths: ["/v1/realtime"],
        dialect: openaiDialect,
        body: "none",
        reply: "json",
        // Nothing was said before the handshake is answered.
        replaySafe: true,
        modelOf: ({ query }) => new URLSearchParams(query).get("model") ?? undefined,
        pathBelow: ({ query }) => queryBelow(query),
        websocket: {
          idleMs,
          maxMs: maxSessionMs,
          usage: sessionUsage,
          forClient: nameForClient,
          forBackend: nameForBackend,
          readHeaders: readSubprotocols,
        },
      }),
    ],
  }),
});

/** The adapter's path has the model, under its name at the backend. */
function queryBelow(query: string): string {
  const parameters = new URLSearchParams(query);
  for (const name of OWN_PARAMETERS) parameters.delete(name);
  return parameters.size === 0 ? "" : `?${parameters.toString()}`;
}
