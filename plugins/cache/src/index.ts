import { defineGatewayPlugin } from "gatewright";
import type { Context, GatewayPluginFactory } from "gatewright";
import { answerRules, isSampled } from "./answer-rules.ts";
import type { AnswerRules } from "./answer-rules.ts";
import { MemoryStore } from "./memory-store.ts";
import { CacheOptions } from "./options.ts";
import { requestKey } from "./request-key.ts";
import { readWish } from "./request-wish.ts";
import type { RequestWish } from "./request-wish.ts";
import { markReply, ResponseCache } from "./response-cache.ts";
import { SemanticLookup } from "./semantic-lookup.ts";
import { StateStore } from "./state-store.ts";

export type { CacheOptions, SemanticOptions } from "./options.ts";

declare module "gatewright" {
  interface ContextVars {
    cache?: CacheVars;
  }
}

/** What the cache tells the other plugins. */
export interface CacheVars {
  /**
   * `hit`: the answer cost nothing upstream. `semantic-hit`: it is that to a similar request, found at the cost of an
   * embedding. `bypass`: the cache had no part in it.
   */
  readonly result: "hit" | "semantic-hit" | "miss" | "bypass";
  /** Of a `semantic-hit`: cosine of the angle between the two requests. */
  readonly similarity?: number;
}

/**
 * Gives the answers to repeated requests again, whole or as streams. Listed after authentication and limits, before
 * whatever goes upstream.
 */
export const cache: GatewayPluginFactory<typeof CacheOptions> = defineGatewayPlugin({
  name: "cache",
  options: CacheOptions,
  needs: ["body", "model", "candidates"],
  check: ({ semantic }, { checkModel }) =>
    semantic ? checkModel(semantic.model, ["semantic", "model"]) : [],
  setup(options, gateway) {
    const { state, now } = gateway;
    const { store: kind, maxEntries, maxBytes, waitMs, semantic } = options;
    const store = kind === "memory" ? new MemoryStore(maxEntries, now) : new StateStore(state);
    const lookup = semantic && new SemanticLookup(options, semantic, gateway);
    const responses = new ResponseCache(store, waitMs, gateway, lookup);

    return {
      middleware: async function cache(ctx, next) {
        const wish = readWish(ctx);
        const rules = rulesOf(ctx, wish);
        if (!rules || !mayUse(ctx, wish, rules)) {
          markReply(ctx, "bypass");
          return next();
        }
        return responses.answer({
          ctx,
          next,
          key: requestKey(ctx, options),
          wish,
          ttlMs: wish.ttlMs ?? options.ttlMs,
          rules: { maxBytes, mayKeep: rules.mayKeep },
        });
      },
    };

    function mayUse({ body }: Context, { enabled }: RequestWish, rules: AnswerRules): boolean {
      return options.anyTemperature || enabled === true || !isSampled(rules, body);
    }
  },
});

/** None where the answer has effects of its own, cannot be judged, or the request wants no cache. */
function rulesOf({ operation, body }: Context, { enabled, noStore }: RequestWish): AnswerRules | undefined {
  if (noStore || enabled === false || body.kind !== "json") return undefined;
  const rules = answerRules(operation.name);
  if (rules?.isBound?.(body)) return undefined;
  return rules;
}
