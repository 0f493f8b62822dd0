import { defineGatewayPlugin, isGatewayError } from "gatewright";
import type { Context, GatewayHost, GatewayPluginFactory } from "gatewright";
import type { Transition } from "./breaker.ts";
import { Breakers } from "./breakers.ts";
import { CircuitBreakerOptions } from "./options.ts";
import { coolingLeftMs, Passage } from "./passage.ts";
import type { BlockedTarget } from "./passage.ts";
import { SharedOpenings } from "./shared-openings.ts";

export type { BreakerState, Transition, TransitionCause } from "./breaker.ts";
export type { CircuitBreakerOptions } from "./options.ts";
export type { BlockedTarget } from "./passage.ts";

declare module "gatewright" {
  interface ContextVars {
    /** Set once a request was kept from a target: what kept it, the last time it came by. */
    circuitBreaker?: { blocked: readonly BlockedTarget[] };
  }
}

/**
 * Keeps requests from targets that fail, and lets a few through as probes later. Listed after `retry` and before the
 * balancer: it narrows the candidates on the way in, and judges the attempt on the way out, a stream at its end.
 */
export const circuitBreaker: GatewayPluginFactory<typeof CircuitBreakerOptions> = defineGatewayPlugin({
  name: "circuit-breaker",
  options: CircuitBreakerOptions,
  needs: ["candidates"],
  check: ({ backends }, { checkBackend }) =>
    Object.keys(backends).flatMap((name) => checkBackend(name, ["backends", name])),
  async setup(options, gateway) {
    checkState(options, gateway);
    const openings = options.shared || options.persist ? new SharedOpenings(gateway) : undefined;
    const breakers = new Breakers(options, gateway, (transition) => {
      tell(transition, options, gateway);
      if (transition.to === "open" && transition.cause !== "shared")
        openings?.publish(transition.target, transition.openMs!);
    });

    async function readOpenings(): Promise<void> {
      const nowMs = gateway.now();
      for (const { target: id, untilMs } of await openings!.read()) {
        const target = gateway.targets.get(id);
        // What is nearly over, or told by this process and over for it by now, is let go.
        if (target === undefined || untilMs - nowMs <= options.syncMs) continue;
        breakers.of(target)?.openUntil(untilMs, nowMs);
      }
    }
    if (openings) await readOpenings();
    if (options.shared) openings!.poll(options.syncMs, readOpenings);

    /** Waits where the backends asked for nothing but patience, and the deadline allows it. */
    async function waitForCooling(ctx: Context): Promise<void> {
      if (ctx.target !== undefined) return;
      const leftMs = coolingLeftMs(breakers, ctx.candidates);
      if (leftMs !== undefined && leftMs <= options.maxWaitMs && leftMs < ctx.remainingMs())
        await ctx.sleep(Math.ceil(leftMs));
    }

    return {
      middleware: async function circuitBreaker(ctx, next) {
        const { notable } = breakers.ledger;
        if (notable.size > 0) await waitForCooling(ctx);
        const passage = new Passage(breakers);
        if (notable.size > 0) passage.narrow(ctx);
        try {
          const answer = next();
          passage.dispatched();
          const reply = await answer;
          passage.ended(reply.attempt);
          return reply;
        } catch (error) {
          passage.ended(isGatewayError(error) ? error.attempt : undefined);
          throw error;
        }
      },
      close: () => openings?.close(),
    };
  },
});

function checkState({ shared, persist }: CircuitBreakerOptions, { state }: GatewayHost): void {
  if (shared && !state.shared)
    throw new Error(
      `circuitBreaker: \`shared\` needs state that processes share, \`state: { driver: "redis", … }\`, got "${state.driver}"`,
    );
  if (persist && state.driver === "memory")
    throw new Error(
      'circuitBreaker: `persist` needs state that outlives the process, `state: { driver: "file" }` or "redis", got "memory"',
    );
}

function tell(transition: Transition, { onTransition }: CircuitBreakerOptions, { log }: GatewayHost): void {
  const { target, from, to, cause } = transition;
  log[to === "open" ? "warn" : "info"]("circuit breaker changed", { target, from, to, cause });
  try {
    onTransition?.(transition);
  } catch (error) {
    log.error("circuitBreaker: `onTransition` threw", { error: String(error) });
  }
}
