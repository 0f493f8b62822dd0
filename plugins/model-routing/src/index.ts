import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import { annotate } from "./annotation.ts";
import { answerInTurn } from "./in-turn.ts";
import { DEFAULT_SYNONYMS, ModelRoutingOptions } from "./options.ts";
import { Providers } from "./providers.ts";
import { takeWish } from "./request-wish.ts";

export type { ModelRoutingOptions } from "./options.ts";

/**
 * Follows what a request says about where it is to go: `provider`, `providers`, `routing_strategy`, `routing`. Listed
 * after `cache` and before `retry`.
 */
export const modelRouting: GatewayPluginFactory<typeof ModelRoutingOptions> = defineGatewayPlugin({
  name: "model-routing",
  options: ModelRoutingOptions,
  needs: ["body", "candidates"],
  check: ({ synonyms }, { checkProvider }) =>
    Object.entries(synonyms)
      .filter(([name, meant]) => DEFAULT_SYNONYMS[name] !== meant)
      .flatMap(([name, meant]) => checkProvider(meant, ["synonyms", name])),
  setup(options, gateway) {
    const providers = new Providers(gateway.backends.values(), options.synonyms);
    return {
      middleware: function modelRouting(ctx, next) {
        const taken = ctx.body.kind === "json" ? takeWish(ctx.body) : undefined;
        if (taken === undefined) return next();
        const { wish, body } = taken;
        ctx.body = body;
        if (!wish) return next();
        const groups = providers.narrow(ctx, wish);
        if (wish.preference) ctx.vars.preference = wish.preference;
        if (!wish.inTurn) ctx.candidates = groups.flat();
        const answer = wish.inTurn ? answerInTurn(ctx, next, groups) : next();
        return options.annotate ? answer.then((reply) => annotate(ctx, reply)) : answer;
      },
    };
  },
});
