import { defineGatewayPlugin, GatewayError, isGatewayError } from "gatewright";
import type { Context, GatewayPluginFactory, Next, Reply, Target } from "gatewright";
import { BalancerOptions } from "./options.ts";
import { createPick } from "./strategies.ts";

export type { BalancerOptions } from "./options.ts";

/**
 * Chooses the target of each attempt among the candidates that are left. Listed after `retry`, so that each attempt is
 * balanced anew. Of several balancers that apply to a request the first decides.
 *
 * A layer listed after it refuses the chosen target by throwing `no_available_instances`: then another is chosen,
 * until none is left.
 */
export const balancer: GatewayPluginFactory<typeof BalancerOptions> = defineGatewayPlugin({
  name: "balancer",
  options: BalancerOptions,
  needs: ["candidates"],
  gives: ["target"],
  setup(options, gateway) {
    const pick = createPick(options, gateway);

    async function pickOthers(
      ctx: Context,
      next: Next,
      candidates: readonly Target[],
      refused: Target,
      refusal: unknown,
    ): Promise<Reply> {
      if (!isRefusal(refusal)) throw refusal;
      const rest = candidates.filter((target) => target !== refused);
      const target = pick(ctx, rest);
      if (target === undefined) throw refusal;
      return next({ candidates: [target], target }).catch((error: unknown) =>
        pickOthers(ctx, next, rest, target, isRefusal(error) ? sooner(refusal, error) : error),
      );
    }

    return {
      middleware: function balancer(ctx, next) {
        // A request without a model, such as the model list, has nowhere to go and nothing to choose.
        if (ctx.target !== undefined || ctx.model === "") return next();
        const { candidates } = ctx;
        if (candidates.length === 1 && candidates[0]!.weight > 0) {
          ctx.target = candidates[0];
          return next();
        }
        const target = pick(ctx, candidates);
        if (target === undefined) return Promise.reject(new GatewayError("no_available_instances"));
        ctx.target = target;
        return next().catch((error: unknown) => pickOthers(ctx, next, candidates, target, error));
      },
    };
  },
});

function isRefusal(error: unknown): error is GatewayError {
  return isGatewayError(error) && error.code === "no_available_instances" && error.attempt === undefined;
}

/** Of two refusals the one that ends first, as far as they say. */
function sooner(left: GatewayError, right: GatewayError): GatewayError {
  const leftAfter = Number(left.headers["retry-after"] ?? Infinity);
  const rightAfter = Number(right.headers["retry-after"] ?? Infinity);
  return rightAfter <= leftAfter ? right : left;
}
