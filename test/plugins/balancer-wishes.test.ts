/** What requests themselves want of the balancer, and prices that stand on targets. */
import type { Context, Target, TargetPreference } from "gatewright";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { createAttemptDispatch, createPlacedBackend, placeTargets } from "./_attempts.ts";
import { createHost, createTarget, FakeContext, run, setupMiddlewares } from "./_context.ts";

const price = (dollars: number) => ({ prompt: dollars, completion: dollars });

function place(name: string, facts: Partial<Target>): Target {
  return { ...createTarget(name, { backend: createPlacedBackend(name) }), ...facts };
}

/** Each best in one figure. */
const targets = [
  place("cheap", { price: price(1e-6) }),
  place("fast", { price: price(9e-6) }),
  place("sound", { price: price(9e-6) }),
];

async function rigOf(options?: Parameters<typeof balancer>[0]) {
  // Without the random picks that keep figures true.
  const host = createHost({ random: () => 0.5 });
  placeTargets(host, targets);
  const middlewares = await setupMiddlewares([balancer(options)], host);
  /** Speeds in milliseconds; every second attempt at `cheap` and `fast` fails. */
  const speeds: Record<string, number> = { cheap: 900, fast: 100, sound: 900 };
  const counts = new Map<string, number>();
  return async function send(preference?: TargetPreference, candidates = targets): Promise<string> {
    const ctx = new FakeContext({ candidates }, host);
    if (preference) (ctx as Context).vars.preference = preference;
    const dispatch = createAttemptDispatch(host, (attempt) => {
      const { name } = attempt.target.backend;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      if (name !== "sound" && count % 2 === 0) throw attempt.fail({ status: 500 });
      host.nowMs += speeds[name]!;
      return attempt.whole();
    });
    await run(middlewares, ctx, dispatch).catch(() => undefined);
    return ctx.target!.backend.name;
  };
}

describe("a request's own wish", () => {
  it("ba-9, mo-10: least-cost is the cheapest by the targets' own prices, whatever the balancer's strategy", async () => {
    const send = await rigOf();
    const wish = { strategy: "least-cost" } as const;
    expect([await send(wish), await send(wish)]).toEqual(["cheap", "cheap"]);
    // Others are balanced as ever, in rotation.
    expect([await send(), await send(), await send()]).toEqual(["cheap", "fast", "sound"]);
    expect(await send(wish, targets.slice(1))).toBe("fast");
  });

  it("ba-9: the balancer's own prices win over those of targets", async () => {
    const send = await rigOf({ strategy: "least-cost", prices: { "sound/m": price(0.5) } });
    expect(await send()).toBe("sound");
  });

  it("mo-11: smart goes by the weights of the request", async () => {
    const send = await rigOf();
    const wish = (cost: number, latency: number, errorRate: number): TargetPreference => ({
      strategy: "smart",
      weights: { cost, latency, errorRate },
    });
    // Each is tried, so that its figures are known.
    for (const only of targets) for (let count = 0; count < 2; count++) await send(wish(0, 1, 0), [only]);
    expect(await send(wish(1, 0, 0))).toBe("cheap");
    expect(await send(wish(0, 0, 1))).toBe("sound");
  });
});
