import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { RetryOptions } from "./options.ts";
import { Retrier } from "./retrier.ts";

export type { RetryOptions } from "./options.ts";

/**
 * Tries a failed upstream call again: on another backend at once, on the same after a pause. Listed before the
 * balancer, which then chooses anew for each attempt.
 */
export const retry: GatewayPluginFactory<typeof RetryOptions> = defineGatewayPlugin({
  name: "retry",
  options: RetryOptions,
  needs: ["candidates"],
  setup(options, gateway) {
    const retrier = new Retrier(options, gateway);
    return {
      middleware: async function retry(ctx, next) {
        // Layers below narrow the list on this very context during the first attempt.
        const { candidates } = ctx;
        retrier.begin(ctx);
        try {
          const reply = await next();
          retrier.answered(reply);
          return reply;
        } catch (error) {
          return retrier.tryAgain(ctx, next, candidates, error);
        }
      },
    };
  },
});
