import { defineGatewayPlugin } from "gatewright";
import type { Context, GatewayPluginFactory, Reply } from "gatewright";
import { HedgeBudget } from "./hedge-budget.ts";
import { Latencies } from "./latencies.ts";
import { HedgeOptions } from "./options.ts";
import { Race } from "./race.ts";

export type { HedgeBudgetOptions, HedgeOptions } from "./options.ts";

/**
 * Asks another target when the first one's token (streams) or reply is late. The first answer wins, the other call is
 * given up. Listed before the balancer.
 */
export const hedge: GatewayPluginFactory<typeof HedgeOptions> = defineGatewayPlugin({
  name: "hedge",
  options: HedgeOptions,
  needs: ["candidates"],
  setup({ afterMs, afterPercentile, minSamples, maxExtra, budget: budgetOptions }, gateway) {
    const budget = new HedgeBudget(budgetOptions);
    const latencies = afterPercentile === undefined ? undefined : new Latencies(afterPercentile, minSamples);
    const mayHedge = (): boolean => budget.withdraw();

    /** Notes how long the client waited: for a lost first attempt that is what it had taken when it was given up. */
    async function timed(kind: string, send: () => Promise<Reply>): Promise<Reply> {
      const startedAt = gateway.now();
      const reply = await send();
      latencies?.record(kind, gateway.now() - startedAt);
      return reply;
    }

    return {
      middleware: function hedge(ctx, next) {
        if (!isHedgeable(ctx)) return next();
        budget.deposit();
        const kind = kindOf(ctx);
        const delayMs = latencies?.percentileMs(kind) ?? afterMs;
        if (delayMs === undefined) return timed(kind, next);
        const race = (): Promise<Reply> => new Race(ctx, next, { delayMs, maxExtra, mayHedge }).run();
        return latencies ? timed(kind, race) : race();
      },
    };
  },
});

/** It may be sent twice, and there are two places to send it to. */
function isHedgeable({ operation, body, candidates }: Context): boolean {
  return operation.replaySafe && body.replayable && candidates.length > 1;
}

/** Requests that take about equally long. */
function kindOf({ operation, model, stream }: Context): string {
  return `${operation.name} ${stream ? "stream" : "whole"} ${model}`;
}
