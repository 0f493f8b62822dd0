import { defineGatewayPlugin, GatewayError } from "gatewright";
import type {
  ChainFact,
  Context,
  GatewayHost,
  GatewayPluginFactory,
  Next,
  PluginInstance,
  Reply,
  InputOf,
} from "gatewright";
import type { Decision } from "./decision.ts";
import { retryHeaders, setLimitHeaders, setStandardHeaders } from "./headers.ts";
import { resolveLimit } from "./limit.ts";
import { Limiter } from "./limiter.ts";
import type { Verdict } from "./limiter.ts";
import { nameLimits } from "./limit-names.ts";
import { limitsOf, placeOf, RateLimitOptions } from "./options.ts";
import type { Place } from "./options.ts";
import { goOnAndCorrect } from "./usage.ts";

export type { Decision, RateLimitVars } from "./decision.ts";
export type { LimitInput, RateLimitOptions, TokenOptions } from "./options.ts";

/** What the chain has to know of a limit, by where it can be decided. */
const PLACES: Readonly<Record<Place, { headersOnly?: boolean; needs?: readonly ChainFact[] }>> = {
  headers: { headersOnly: true },
  body: {},
  target: { needs: ["target"] },
};

const at = (place: Place): GatewayPluginFactory<typeof RateLimitOptions> =>
  defineGatewayPlugin({
    name: "rate-limit",
    options: RateLimitOptions,
    ...PLACES[place],
    exact: true,
    setup: (options, gateway) => createRateLimit(options, gateway, place),
  });

const factories = { headers: at("headers"), body: at("body"), target: at("target") };

/**
 * Limits requests, or their tokens, by token bucket or another algorithm, per client, key, model or target; one limit
 * or several that are decided together. Limits that need headers only refuse before the body is read; those of a
 * backend are listed after the balancer and are asked for each attempt.
 */
export const rateLimit: GatewayPluginFactory<typeof RateLimitOptions> = Object.assign(
  (options: InputOf<typeof RateLimitOptions> = {}) => factories[placeOf(options)](options),
  factories.headers,
);

function createRateLimit(options: RateLimitOptions, gateway: GatewayHost, place: Place): PluginInstance {
  const inputs = limitsOf(options);
  if (placeOf(options) !== place)
    throw new Error(
      "rateLimit: set `scope` and `unit` in the config: they decide where the limit stands in the chain",
    );
  const names = nameLimits(inputs, gateway);
  const processes = options.expectedProcesses ?? gateway.workers;
  const limits = inputs.map((input, i) => resolveLimit(input, names[i]!, processes));
  const limiter = new Limiter(limits, options, gateway);
  const { shadow, standardHeaders, countErrors } = options;
  const isOfTarget = place === "target";
  const isCorrected = isOfTarget || !countErrors || limits.some(({ unit }) => unit === "tokens");

  function act(ctx: Context, next: Next, verdict: Verdict | undefined): Promise<Reply> {
    if (verdict === undefined) return next();
    const decisions = publish(ctx, verdict.decisions);
    if (!verdict.admitted && shadow) {
      const refusing = verdict.decisions.filter(({ fits }) => !fits).map(({ name }) => name);
      ctx.log.info("rateLimit would refuse", { requestId: ctx.id, limits: refusing });
      return next();
    }
    if (!verdict.admitted && isOfTarget) return Promise.reject(targetIsLimited(verdict));
    if (!shadow) {
      const set = (name: string, value: string): void => ctx.setReplyHeader(name, value);
      setLimitHeaders(decisions, set);
      if (standardHeaders) setStandardHeaders(decisions, set);
    }
    if (!verdict.admitted) return Promise.reject(limitExceeded(verdict));
    return isCorrected ? goOnAndCorrect(ctx, next, verdict, limiter, options) : next();
  }

  return {
    middleware: function rateLimit(ctx, next) {
      try {
        const verdict = limiter.decide(ctx);
        if (verdict instanceof Promise) return verdict.then((verdict) => act(ctx, next, verdict));
        return act(ctx, next, verdict);
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
}

/** The last decision of each limit that the request has met. */
function publish(ctx: Context, decisions: readonly Decision[]): readonly Decision[] {
  const earlier = ctx.vars.rateLimit?.decisions.filter(
    ({ name }) => !decisions.some((decision) => decision.name === name),
  );
  const all = earlier?.length ? [...earlier, ...decisions] : decisions;
  ctx.vars.rateLimit = { decisions: all };
  return all;
}

/** The limit that keeps the request away for longest. */
function lastToFit({ decisions }: Verdict): { decision: Decision; index: number } {
  let index = 0;
  for (let i = 1; i < decisions.length; i++) if (decisions[i]!.waitMs > decisions[index]!.waitMs) index = i;
  return { decision: decisions[index]!, index };
}

function limitExceeded(verdict: Verdict): GatewayError {
  const { decision, index } = lastToFit(verdict);
  const { limit, remaining, resetAtMs, unit, waitMs } = decision;
  const never = waitMs === Infinity;
  return new GatewayError("rate_limit_exceeded", {
    status: 429,
    type: "rate_limit_exceeded",
    message: never
      ? `Rate limit exceeded: the request may take ${verdict.costs[index]} ${unit}, more than the limit of ${limit}`
      : "Rate limit exceeded",
    details: { limit, remaining, reset_at: new Date(resetAtMs).toISOString() },
    headers: never ? { "x-should-retry": "false" } : retryHeaders(waitMs),
  });
}

/** The refusal upon which the balancer chooses another target. */
function targetIsLimited(verdict: Verdict): GatewayError {
  const { waitMs } = lastToFit(verdict).decision;
  return new GatewayError("no_available_instances", {
    headers: waitMs === Infinity ? {} : retryHeaders(waitMs),
  });
}
