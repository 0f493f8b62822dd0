import { defineGatewayPlugin, GatewayError, isGatewayError } from "gatewright";
import type { ConfigView, Context, GatewayPluginFactory, Next, Reply, Target, UnknownName } from "gatewright";
import { BalancerOptions } from "./options.ts";
import { firstGroup } from "./priority-groups.ts";
import { stickBy } from "./sticky.ts";
import { createStrategy, createWishedStrategies } from "./strategies.ts";
import type { Pick, Strategy } from "./strategies.ts";

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
  check: findUnknownNames,
  setup(options, gateway) {
    const own = createStrategy(options, gateway);
    const wished = createWishedStrategies(options, gateway);
    const strategyOf = ({ vars }: Context): Strategy => (vars.preference ? wished(vars.preference) : own);
    const pickOwn = withGroups(options, withSticky(options, own.pick));
    const pickWished = withGroups(options, (ctx, candidates) => strategyOf(ctx).pick(ctx, candidates));
    const pick: Pick = (ctx, candidates) => (ctx.vars.preference ? pickWished : pickOwn)(ctx, candidates);

    /** Passes the answer on, and what it says of its target to the strategy. */
    function watch(ctx: Context, answer: Promise<Reply>): Promise<Reply> {
      const { observe } = strategyOf(ctx);
      if (observe === undefined) return answer;
      return answer.then(
        (reply) => {
          if (reply.attempt !== undefined) observe(ctx, reply.attempt);
          return reply;
        },
        (error: unknown) => {
          if (isGatewayError(error) && error.attempt !== undefined) observe(ctx, error.attempt);
          throw error;
        },
      );
    }

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
      return watch(ctx, next({ candidates: [target], target })).catch((error: unknown) =>
        pickOthers(ctx, next, rest, target, isRefusal(error) ? sooner(refusal, error) : error),
      );
    }

    return {
      close: () => own.close?.(),
      middleware: function balancer(ctx, next) {
        const { candidates } = ctx;
        // A request about no model and no backend, such as the model list, has nowhere to go and nothing to choose.
        if (ctx.target !== undefined || (ctx.model === "" && candidates.length === 0)) return next();
        if (candidates.length === 1 && candidates[0]!.weight > 0) {
          ctx.target = candidates[0];
          return watch(ctx, next());
        }
        const target = pick(ctx, candidates);
        if (target === undefined) return Promise.reject(new GatewayError("no_available_instances"));
        ctx.target = target;
        return watch(ctx, next()).catch((error: unknown) => pickOthers(ctx, next, candidates, target, error));
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

function withGroups({ priorities }: BalancerOptions, pick: Pick): Pick {
  if (Object.keys(priorities).length === 0) return pick;
  return (ctx, candidates) => pick(ctx, firstGroup(candidates, priorities));
}

function withSticky(options: BalancerOptions, pick: Pick): Pick {
  return "sticky" in options && options.sticky !== undefined ? stickBy(options.sticky.key, pick) : pick;
}

/** What is said of a backend or target that does not exist would be said in vain. */
function findUnknownNames(
  options: BalancerOptions,
  { checkBackend, checkTarget }: ConfigView,
): UnknownName[] {
  const regions = Object.entries("regions" in options ? options.regions : {});
  const prices = "prices" in options ? options.prices : {};
  const asked = "backends" in options ? options.backends : undefined;
  return [
    ...Object.keys(options.priorities).flatMap((name) => checkBackend(name, ["priorities", name])),
    ...(asked ?? []).flatMap((name, index) => checkBackend(name, ["backends", index])),
    ...regions.flatMap(([region, { backends }]) =>
      backends.flatMap((name, index) => {
        const check = name.includes("/") ? checkTarget : checkBackend;
        return check(name, ["regions", region, "backends", index]);
      }),
    ),
    ...Object.keys(prices).flatMap((id) => checkTarget(id, ["prices", id])),
  ];
}
