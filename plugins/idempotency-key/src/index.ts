import { defineGatewayPlugin } from "gatewright";
import type { Context, GatewayPluginFactory } from "gatewright";
import { Guard } from "./guard.ts";
import { IdempotencyKeyOptions } from "./options.ts";

export type { IdempotencyKeyOptions } from "./options.ts";

declare module "gatewright" {
  interface ContextVars {
    /** Set for requests with a key: `replayed` cost nothing upstream. */
    idempotencyKey?: { readonly result: "first" | "replayed" };
  }
}

/**
 * Runs a request with an `Idempotency-Key` once and answers its repetitions with the same answer
 * (draft-ietf-httpapi-idempotency-key-header). Listed after authentication, before limits and whatever goes upstream.
 */
export const idempotencyKey: GatewayPluginFactory<typeof IdempotencyKeyOptions> = defineGatewayPlugin({
  name: "idempotency-key",
  options: IdempotencyKeyOptions,
  needs: ["body", "model"],
  exact: true,
  setup(options, gateway) {
    const guard = new Guard(options, gateway);
    return {
      middleware: function idempotencyKey(ctx, next) {
        const key = ctx.request.headers[options.header];
        return key === undefined || !canBeKept(ctx) ? next() : guard.answer(ctx, next, key);
      },
      close: () => guard.close(),
    };
  },
});

/** Forms are not at hand as a whole, and sound flows through. */
function canBeKept({ operation, body }: Context): boolean {
  return operation.method === "POST" && body.kind === "json" && operation.reply !== "binary";
}
