import { GatewayError } from "gatewright";
import type { Middleware, Reply, UpstreamFailure } from "gatewright";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import type { Transition } from "@gatewright/circuit-breaker";
import { balancer } from "@gatewright/balancer";
import { retry } from "@gatewright/retry";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  adaptThreshold,
  createAdaptiveThreshold,
} from "../../plugins/circuit-breaker/src/adaptive-threshold.ts";
import { createAttemptDispatch, createPlacedBackend, keepCarried, placeTargets, turn } from "./_attempts.ts";
import type { FakeAttempt, Play } from "./_attempts.ts";
import {
  createHost,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
} from "./_context.ts";
import { describePlugin } from "./_suite.ts";
import { createTargetRig, FAILURE, place } from "./_target-rig.ts";
import type { TargetRig, TargetRigOptions } from "./_target-rig.ts";

describePlugin({ folder: "circuit-breaker", factory: "circuitBreaker", create: () => circuitBreaker() });

interface Rig extends TargetRig {
  readonly transitions: Transition[];
}

type Input = Parameters<typeof circuitBreaker>[0];

async function rigOf(
  options: Input = {},
  { targets = [place("x")], ...around }: Partial<TargetRigOptions> = {},
): Promise<Rig> {
  const transitions: Transition[] = [];
  const plugin = circuitBreaker({
    ...options,
    onTransition: (transition: Transition) => transitions.push(transition),
  });
  return Object.assign(await createTargetRig([plugin], { targets, ...around }), { transitions });
}

function statesOf({ transitions }: Rig): string[] {
  return transitions.map(({ from, to }) => `${from}-${to}`);
}

/** Starts a request whose attempt somebody else ends. */
function hold(rig: Rig): { reply: Promise<Reply>; settle: (finish: Play) => Promise<void> } {
  let start!: (reply: Promise<Reply>) => void;
  const answer = new Promise<Reply>((resolve) => (start = resolve));
  let held: FakeAttempt | undefined;
  const reply = rig.send({}, (attempt) => {
    held = attempt;
    return answer;
  });
  reply.catch(() => {});
  return {
    reply,
    settle: async (finish) => {
      start(Promise.resolve().then(() => finish(held!, undefined as never)));
      await turn();
    },
  };
}

describe("consecutive failures", () => {
  it("re-1: sends five failing requests, answers the sixth itself, and probes after 60 seconds", async () => {
    const rig = await rigOf();
    await rig.fail(5);
    expect(statesOf(rig)).toEqual(["closed-open"]);
    rig.host.nowMs = 1_500;
    const error = await failureOf(rig.send());
    expect([error.status, error.code, error.type]).toEqual([
      503,
      "circuit_breaker_open",
      "circuit_breaker_open",
    ]);
    expect(error.headers["retry-after"]).toBe("59");
    expect(rig.attempts).toHaveLength(5);

    rig.host.nowMs = 59_999;
    await failureOf(rig.send());
    rig.host.nowMs = 60_000;
    await rig.send();
    expect(statesOf(rig)).toEqual(["closed-open", "open-halfOpen"]);
    await rig.send();
    expect(statesOf(rig)).toEqual(["closed-open", "open-halfOpen", "halfOpen-closed"]);
    expect(rig.attempts).toHaveLength(7);
  });

  it("re-1: opens again when a probe fails, for the full time from then", async () => {
    const rig = await rigOf();
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    await rig.send();
    rig.host.nowMs = 61_000;
    await rig.fail(1);
    expect(rig.transitions.at(-1)).toEqual({
      target: "x/m",
      backend: "x",
      from: "halfOpen",
      to: "open",
      cause: "probe_failed",
      openMs: 60_000,
    });
    rig.host.nowMs = 120_999;
    await failureOf(rig.send());
    rig.host.nowMs = 121_000;
    await rig.send();
    // The success before the reopening counts no more: two are needed.
    expect(rig.transitions.at(-1)!.to).toBe("halfOpen");
    await rig.send();
    expect(rig.transitions.at(-1)!.to).toBe("closed");
  });

  it("B1: stays closed when a success comes after four failures", async () => {
    const rig = await rigOf();
    for (let round = 0; round < 3; round++) {
      await rig.fail(4);
      await rig.send();
    }
    expect(rig.transitions).toEqual([]);
  });

  it("B2: lets three probes run at once and refuses the fourth; each transition happens once", async () => {
    const rig = await rigOf();
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    const probes = [hold(rig), hold(rig), hold(rig)];
    await turn();
    const error = await failureOf(rig.send());
    expect([error.code, error.headers["retry-after"]]).toEqual(["circuit_breaker_open", "1"]);
    expect(rig.attempts).toHaveLength(8);
    await probes[0]!.settle((attempt) => attempt.whole());
    const fourth = hold(rig);
    await turn();
    expect(rig.attempts).toHaveLength(9);
    await probes[1]!.settle((attempt) => attempt.whole());
    expect(statesOf(rig)).toEqual(["closed-open", "open-halfOpen", "halfOpen-closed"]);
    // Of an earlier period: neither closes nor opens anything.
    await probes[2]!.settle((attempt) => Promise.reject(attempt.fail(FAILURE)));
    await fourth.settle((attempt) => Promise.reject(attempt.fail(FAILURE)));
    await rig.fail(4);
    expect(rig.transitions).toHaveLength(3);
    await rig.fail(1);
    expect(rig.transitions).toHaveLength(4);
  });

  it("B6: opens once for a hundred failures at once", async () => {
    const rig = await rigOf();
    const requests = Array.from({ length: 100 }, () => hold(rig));
    for (const { settle } of requests) await settle((attempt) => Promise.reject(attempt.fail(FAILURE)));
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it("B2: a late success of the closed period does not close a breaker that is being probed", async () => {
    const rig = await rigOf({ successThreshold: 1 });
    const late = hold(rig);
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    const probe = hold(rig);
    await turn();
    await late.settle((attempt) => attempt.whole());
    expect(rig.transitions.at(-1)!.to).toBe("halfOpen");
    await probe.settle((attempt) => attempt.whole());
    expect(rig.transitions.at(-1)!.to).toBe("closed");
  });
});

describe("what counts", () => {
  it.each<[string, Partial<UpstreamFailure>]>([
    ["400", { status: 400 }],
    ["401", { status: 401 }],
    ["404", { status: 404 }],
    ["422", { status: 422 }],
    ["429", { status: 429 }],
    ["an error event of the client's making", { kind: "stream_error", status: 400 }],
  ])("B5, re-3: twenty replies of %s leave it closed", async (_, failure) => {
    const rig = await rigOf();
    await rig.fail(20, failure);
    expect(rig.transitions).toEqual([]);
    // Nor do they wipe out what failed before.
    await rig.fail(4);
    await rig.fail(1, failure);
    await rig.fail(1);
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it.each<[string, Partial<UpstreamFailure>]>([
    ["500", { status: 500 }],
    ["529", { status: 529 }],
    ["no connection", { kind: "connect", sent: false }],
    ["a TLS fault", { kind: "tls", sent: false }],
    ["a time-out", { kind: "timeout", status: 200 }],
    ["a reset", { kind: "reset" }],
    ["a malformed reply", { kind: "malformed", status: 302 }],
    ["an error event", { kind: "stream_error" }],
  ])("re-3: five of %s open it", async (_, failure) => {
    const rig = await rigOf();
    await rig.fail(5, failure);
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it("B5: clients that leave, attempts given up and refusals of plugins do not count", async () => {
    const rig = await rigOf();
    for (let count = 0; count < 10; count++) {
      rig.play = (attempt) => Promise.reject(attempt.leave());
      await failureOf(rig.send());
      rig.play = (attempt) => {
        const error = attempt.fail(FAILURE);
        attempt.outcome = "cancelled";
        return Promise.reject(error);
      };
      await failureOf(rig.send());
      rig.play = () => Promise.reject(new GatewayError("no_available_instances"));
      await failureOf(rig.send());
    }
    expect(rig.transitions).toEqual([]);
  });

  it("re-3: five streams that break off in the middle open it, though their headers were fine", async () => {
    const rig = await rigOf();
    rig.play = (attempt) => attempt.stream();
    for (let count = 0; count < 5; count++) {
      await rig.send();
      expect(rig.transitions).toEqual([]);
      rig.attempts.at(-1)!.settle("truncated", { kind: "truncated" });
    }
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it("judges a stream at its end: a whole one sets the count back, one that the client left does not", async () => {
    const rig = await rigOf();
    rig.play = (attempt) => attempt.stream();
    await rig.fail(4);
    await rig.send();
    rig.attempts.at(-1)!.settle("client_abort");
    await rig.send();
    await rig.fail(1);
    expect(statesOf(rig)).toEqual(["closed-open"]);
    // Of the period before.
    rig.attempts.at(-2)!.settle("complete");
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });
});

describe("probes", () => {
  it("count a stream as success with its first content, and its truncation in the period it opened", async () => {
    const rig = await rigOf({ failureThreshold: 2 });
    await rig.fail(2);
    rig.host.nowMs = 60_000;
    rig.play = (attempt) => attempt.stream();
    await rig.send();
    await rig.send();
    expect(rig.transitions.at(-1)!.to).toBe("closed");
    const [first, second] = rig.attempts.slice(-2);
    first!.settle("truncated", { kind: "truncated" });
    expect(rig.transitions.at(-1)!.to).toBe("closed");
    second!.settle("truncated", { kind: "truncated" });
    expect(rig.transitions.at(-1)!.to).toBe("open");
  });

  it("reopen when a stream breaks off before the breaker is closed", async () => {
    const rig = await rigOf();
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    rig.play = (attempt) => attempt.stream();
    await rig.send();
    rig.attempts.at(-1)!.settle("truncated", { kind: "truncated" });
    expect(statesOf(rig)).toEqual(["closed-open", "open-halfOpen", "halfOpen-open"]);
  });

  it("are neutral when the client leaves or the request is at fault, and free their slot", async () => {
    const rig = await rigOf({ maxProbes: 1 });
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    for (let count = 0; count < 5; count++) {
      const probe = hold(rig);
      await turn();
      expect((await failureOf(rig.send())).code).toBe("circuit_breaker_open");
      await probe.settle((attempt) =>
        Promise.reject(count % 2 ? attempt.leave() : attempt.fail({ status: 400 })),
      );
    }
    expect(statesOf(rig)).toEqual(["closed-open", "open-halfOpen"]);
  });

  it("fail when they stay without verdict for their time, counted from then", async () => {
    const rig = await rigOf({ probeMs: 1_000 });
    await rig.fail(5);
    rig.host.nowMs = 60_000;
    const probe = hold(rig);
    await turn();
    rig.host.nowMs = 60_999;
    expect(rig.transitions.at(-1)!.to).toBe("halfOpen");
    rig.host.nowMs = 70_000;
    const error = await failureOf(rig.send());
    expect(rig.transitions.at(-1)).toMatchObject({ to: "open", cause: "probe_overdue" });
    expect(error.headers["retry-after"]).toBe("51");
    await probe.settle((attempt) => attempt.whole());
    expect(rig.transitions.at(-1)!.to).toBe("open");
  });

  it("take their slot when the target is picked: asking for it changes nothing", async () => {
    const [x, y] = [place("x"), place("y")];
    const chooseY: Middleware = (ctx, next) => {
      ctx.target = y;
      return next();
    };
    const host = createHost();
    keepCarried(host);
    const both = await rigOf({ maxProbes: 1 }, { targets: [x, y], host });
    await both.fail(5);
    expect(both.transitions.at(-1)!.target).toBe("x/m");
    host.nowMs = 60_000;
    const others = await rigOf({ maxProbes: 1 }, { targets: [x, y], after: [chooseY], host });
    const held = Array.from({ length: 5 }, () => hold(others));
    await turn();
    expect(others.attempts.map(({ target }) => target.id)).toEqual(Array.from({ length: 5 }, () => "y/m"));
    expect(others.transitions).toEqual([]);
    const probing = await rigOf({ maxProbes: 1 }, { targets: [x, y], host });
    const probe = hold(probing);
    await turn();
    expect(probing.attempts.map(({ target }) => target.id)).toEqual(["x/m"]);
    expect(statesOf(probing)).toEqual(["open-halfOpen"]);
    for (const { settle } of [...held, probe]) await settle((attempt) => attempt.whole());
  });

  it("keep to their number when a layer waits before the target is picked", async () => {
    const gate: (() => void)[] = [];
    const wait: Middleware = async (_ctx, next) => {
      await new Promise<void>((resolve) => gate.push(resolve));
      return next();
    };
    const rig = await rigOf({ maxProbes: 2 }, { after: [wait] });
    const failing = rig.fail(5);
    for (let count = 0; count < 5; count++) {
      await turn();
      gate.pop()!();
    }
    await failing;
    rig.host.nowMs = 60_000;
    rig.play = (attempt) => Promise.reject(attempt.fail(FAILURE));
    const requests = Array.from({ length: 5 }, () => failureOf(rig.send()));
    await turn();
    expect(gate).toHaveLength(2);
    for (const open of gate) open();
    const codes = (await Promise.all(requests)).map(({ code }) => code);
    expect(codes.filter((code) => code === "circuit_breaker_open")).toHaveLength(3);
    expect(rig.attempts).toHaveLength(7);
  });
});

describe("open time", () => {
  it("doubles from 5 to 60 seconds, 20 % up or down, and starts anew after a closing", async () => {
    const rig = await rigOf({ openMs: {} });
    await rig.fail(5);
    for (let count = 0; count < 6; count++) {
      rig.host.nowMs += 100_000;
      await rig.fail(1);
    }
    const openings = (): number[] =>
      rig.transitions.filter(({ to }) => to === "open").map(({ openMs }) => openMs!);
    const nominal = [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000];
    for (const [index, openMs] of openings().entries()) {
      expect(openMs / nominal[index]!).toBeGreaterThanOrEqual(0.8);
      expect(openMs / nominal[index]!).toBeLessThanOrEqual(1.2);
    }
    expect(openings()).toHaveLength(7);
    rig.host.nowMs += 100_000;
    await rig.send();
    await rig.send();
    await rig.fail(5);
    expect(openings().at(-1)).toBeLessThanOrEqual(6_000);
  });
});

describe("rate mode", () => {
  it("B1: stays closed after nineteen failures and opens with the twentieth", async () => {
    const rig = await rigOf({ mode: "rate" });
    await rig.fail(19);
    expect(rig.transitions).toEqual([]);
    await rig.fail(1);
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it("opens at half of the attempts of 30 seconds, not below", async () => {
    const rig = await rigOf({ mode: "rate" });
    for (let count = 0; count < 11; count++) await rig.send();
    await rig.fail(10);
    expect(rig.transitions).toEqual([]);
    await rig.fail(1);
    expect(statesOf(rig)).toEqual(["closed-open"]);
  });

  it("forgets what is older than the window", async () => {
    const rig = await rigOf({ mode: "rate" });
    await rig.fail(19);
    rig.host.nowMs = 30_000;
    await rig.fail(19);
    expect(rig.transitions).toEqual([]);
  });

  it("opens at 80 % slow attempts, where slow is defined", async () => {
    const rig = await rigOf({ mode: "rate", slowMs: 2_000 });
    rig.play = (attempt) => {
      rig.host.nowMs += 1;
      return attempt.whole();
    };
    for (let count = 0; count < 4; count++) await rig.send();
    rig.play = (attempt) => {
      rig.host.nowMs += 2_000;
      return attempt.whole();
    };
    // 32 seconds: of the fast ones none is left, so fifteen slow ones and five more are needed.
    const slow = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done++) {
        await rig.send();
        rig.host.nowMs -= 1_000;
      }
    };
    await slow(15);
    expect(rig.transitions).toEqual([]);
    await slow(1);
    expect(rig.transitions.map(({ cause }) => cause)).toEqual(["slow_calls"]);
  });

  it("closes only when all three probes succeed", async () => {
    const rig = await rigOf({ mode: "rate" });
    await rig.fail(20);
    rig.host.nowMs = 60_000;
    await rig.send();
    await rig.send();
    await rig.fail(1);
    expect(rig.transitions.at(-1)!.to).toBe("open");
    rig.host.nowMs = 120_000;
    for (let count = 0; count < 3; count++) {
      expect(rig.transitions.at(-1)!.to).not.toBe("closed");
      await rig.send();
    }
    expect(rig.transitions.at(-1)!.to).toBe("closed");
  });
});

describe("numbers of a backend", () => {
  it("re-2: win over the plugin's, for its targets only", async () => {
    const [x, y] = [place("x"), place("y")];
    const host = createHost();
    keepCarried(host);
    const options: Input = {
      backends: { x: { failureThreshold: 2, openMs: 1_000, successThreshold: 1 }, y: {} },
    };
    const rig = await rigOf(options, { targets: [x, y], host });
    await rig.fail(2);
    expect(rig.transitions).toMatchObject([{ target: "x/m", to: "open", openMs: 1_000 }]);
    await rig.fail(4);
    expect(rig.attempts.at(-1)!.target).toBe(y);
    expect(rig.transitions).toHaveLength(1);
    await rig.fail(1);
    expect(rig.transitions.at(-1)).toMatchObject({ target: "y/m", openMs: 60_000 });
    host.nowMs = 1_000;
    await rig.send();
    expect(statesOf(rig).slice(2)).toEqual(["open-halfOpen", "halfOpen-closed"]);
  });

  it("re-2: a backend with `enabled: false` has no breaker", async () => {
    const rig = await rigOf({ backends: { x: { enabled: false } } });
    await rig.fail(30);
    expect(rig.attempts).toHaveLength(30);
  });

  it("refuses numbers of a backend that does not exist", async () => {
    await expect(rigOf({ backends: { nosuch: {} } })).rejects.toThrow("backends.nosuch");
  });

  it("re-2: the adaptive threshold follows the failure rate of the last 30 minutes, within 2 and 20", () => {
    const threshold = createAdaptiveThreshold(5, 0);
    let nowMs = 0;
    /** Five minutes of a hundred attempts. */
    const pass = (failures: number): number => {
      for (let index = 0; index < 100; index++) adaptThreshold(threshold, index < failures, nowMs);
      nowMs += 300_000;
      return threshold.value;
    };
    pass(0);
    // The first step has seen no failure: 5 × 1.1. Then 4 of 200, 2 %: as it is.
    expect(pass(4)).toBeCloseTo(5.5);
    expect(pass(14)).toBeCloseTo(5.5);
    // 18 of 300 are 6 %: × 0.8. Then 98 of 400: × 0.6.
    expect(pass(80)).toBeCloseTo(4.4);
    expect(pass(100)).toBeCloseTo(2.64);
    expect(pass(100)).toBe(2);
    for (let step = 0; step < 60; step++) pass(0);
    expect(threshold.value).toBe(20);
  });

  it("re-2: with `adaptive` a target that fails often opens sooner, and a reload keeps that", async () => {
    const host = createHost();
    keepCarried(host);
    const rig = await rigOf({ failureThreshold: 10, adaptive: true }, { host });
    // Half of the attempts fail, never two in a row, for three steps: 10 → 6 → 3.6 → 2.16.
    for (let step = 0; step < 3; step++) {
      for (let count = 0; count < 20; count++) {
        await rig.fail(1);
        await rig.send();
      }
      host.nowMs += 300_000;
    }
    const reloaded = await rigOf({ failureThreshold: 10, adaptive: true }, { host });
    await reloaded.fail(1);
    expect(reloaded.transitions).toEqual([]);
    await reloaded.fail(1);
    expect(statesOf(reloaded)).toEqual(["closed-open"]);
  });
});

describe("several targets", () => {
  it("skips the open one and uses the others", async () => {
    const rig = await rigOf({}, { targets: [place("x"), place("y")] });
    await rig.fail(5);
    await rig.send();
    expect(rig.attempts.at(-1)!.target.id).toBe("y/m");
  });

  it("names circuit_breaker_open only when open breakers alone keep every target out", async () => {
    const [x, y] = [place("x"), place("y")];
    const rig = await rigOf({ maxWaitMs: 0 }, { targets: [x, y, place("idle", 0)] });
    await rig.fail(5);
    await rig.fail(1, { status: 429, retryAfterMs: 7_000 });
    const mixed = await failureOf(rig.send());
    expect([mixed.status, mixed.code, mixed.headers["retry-after"]]).toEqual([
      503,
      "no_available_instances",
      "7",
    ]);
    rig.host.nowMs = 10_000;
    await rig.fail(5);
    const open = await failureOf(rig.send());
    expect([open.code, open.headers["retry-after"]]).toEqual(["circuit_breaker_open", "50"]);
  });

  it("answers no_available_instances where none has weight, open or not", async () => {
    const x = place("x");
    const rig = await rigOf({}, { targets: [x] });
    await rig.fail(5);
    const weightless = createTarget("x", { weight: 0, backend: x.backend });
    expect((await failureOf(rig.send({ candidates: [weightless] }))).code).toBe("no_available_instances");
  });

  it("tells the plugins after it what it kept the request from", async () => {
    const seen: unknown[] = [];
    const look: Middleware = (ctx, next) => {
      seen.push(ctx.vars.circuitBreaker);
      return next();
    };
    const rig = await rigOf({}, { targets: [place("x"), place("y")], after: [look] });
    await rig.fail(5);
    rig.host.nowMs = 20_000;
    await rig.send();
    expect(seen.slice(-2)).toEqual([
      undefined,
      { blocked: [{ target: "x/m", reason: "open", leftMs: 40_000 }] },
    ]);
  });

  it("refuses a target that a balancer before it chose, so that another is chosen", async () => {
    const [x, y] = [place("x"), place("y")];
    const host = createHost();
    const before = await setupMiddlewares([balancer({ strategy: "priority" })], host);
    const rig = await rigOf({}, { targets: [x, y], before, host });
    await rig.fail(5);
    expect((await rig.send()).body).toBe("y/m");
    await rig.fail(5);
    expect((await failureOf(rig.send())).code).toBe("no_available_instances");
    expect(rig.attempts).toHaveLength(11);
  });

  it("re-1: with `retry` before it, the failure that opens it goes out, and no open target is an attempt", async () => {
    const host = createHost();
    const before = await setupMiddlewares([retry()], host);
    const rig = await rigOf({ failureThreshold: 2 }, { before, host });
    rig.play = (attempt) => Promise.reject(attempt.fail(FAILURE));
    const error = await failureOf(rig.send());
    expect([error.status, rig.attempts.length]).toEqual([502, 2]);
    expect((await failureOf(rig.send())).code).toBe("circuit_breaker_open");
    expect(rig.attempts).toHaveLength(2);
  });
});

describe("upstream 429", () => {
  const limited = { status: 429, retryAfterMs: 2_000 };

  it("re-12: cools the target down for its Retry-After, others first", async () => {
    const rig = await rigOf({}, { targets: [place("x"), place("y")] });
    await rig.fail(1, limited);
    rig.host.nowMs = 1_999;
    expect((await rig.send()).body).toBe("y/m");
    rig.host.nowMs = 2_000;
    expect((await rig.send()).body).toBe("x/m");
  });

  it("re-12: waits when all cool down and the deadline allows it", async () => {
    const rig = await rigOf({}, { targets: [place("x"), place("y")] });
    await rig.fail(1, { ...limited, retryAfterMs: 5_000 });
    await rig.fail(1, limited);
    expect((await rig.send()).body).toBe("y/m");
    expect(rig.host.nowMs).toBe(2_000);
  });

  it("re-12: refuses with no_available_instances when the deadline comes first", async () => {
    const rig = await rigOf();
    await rig.fail(1, limited);
    const error = await failureOf(rig.send({ deadlineMs: 1_500 }));
    expect([error.code, error.headers["retry-after"]]).toEqual(["no_available_instances", "2"]);
    expect(rig.attempts).toHaveLength(1);
  });

  it("is no failure: the breaker neither opens nor forgets, and a 429 without Retry-After cools nothing", async () => {
    const rig = await rigOf();
    await rig.fail(4);
    await rig.fail(1, { status: 429 });
    await rig.fail(1);
    expect(statesOf(rig)).toEqual(["closed-open"]);
    expect(rig.attempts).toHaveLength(6);
  });
});

describe("reload", () => {
  it("B15: keeps what is open for unchanged backends, and starts anew for one that moved", async () => {
    const host = createHost();
    keepCarried(host);
    const [x, y] = [place("x"), place("y")];
    const first = await rigOf({}, { targets: [x, y], host });
    await first.fail(10);
    const moved = createTarget("y", {
      backend: createPlacedBackend("y", { baseURL: new URL("http://elsewhere.test/v1") }),
    });
    const second = await rigOf({}, { targets: [place("x"), moved], host });
    expect((await second.send()).body).toBe("y/m");
    expect(second.attempts).toHaveLength(1);
    host.nowMs = 60_000;
    await second.send();
    expect(statesOf(second)).toEqual(["open-halfOpen"]);
  });

  it("B15: counts attempts that end after the reload", async () => {
    const host = createHost();
    keepCarried(host);
    const first = await rigOf({}, { host });
    const running = hold(first);
    await turn();
    const second = await rigOf({}, { host });
    await second.fail(4);
    await running.settle((attempt) => Promise.reject(attempt.fail(FAILURE)));
    expect((await failureOf(second.send())).code).toBe("circuit_breaker_open");
  });

  it("forgets targets that are gone", async () => {
    const host = createHost();
    keepCarried(host);
    const first = await rigOf({}, { targets: [place("x"), place("y")], host });
    await first.fail(5);
    await rigOf({}, { targets: [place("y")], host });
    const third = await rigOf({}, { targets: [place("x"), place("y")], host });
    expect((await third.send()).body).toBe("x/m");
  });
});

describe("options", () => {
  it.each([
    [{ failureThreshold: 0 }, "failureThreshold"],
    [{ mode: "rate", failureThreshold: 5 }, "failureThreshold"],
    [{ failureRate: 0.5 }, "failureRate"],
    [{ openMs: 0 }, "openMs"],
    [{ backends: { x: { treshold: 2 } } }, "backends.x.treshold"],
    [{ onTransition: "log" }, "onTransition"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(circuitBreaker(options as never)).map((fault) => fault.path)).toEqual([path]);
  });

  it("does not compile with an option of another mode", () => {
    // @ts-expect-error `failureThreshold` belongs to `consecutive`.
    expect(findFaults(circuitBreaker({ mode: "rate", failureThreshold: 5 }))).toHaveLength(1);
  });

  it("goes on when `onTransition` throws", async () => {
    const host = createHost();
    const [x] = [place("x")];
    placeTargets(host, [x]);
    const middlewares = await setupMiddlewares(
      [
        circuitBreaker({
          failureThreshold: 1,
          onTransition() {
            throw new Error("a listener of its own");
          },
        }),
      ],
      host,
    );
    const dispatch = createAttemptDispatch(host, (attempt) => Promise.reject(attempt.fail(FAILURE)));
    const send = (): Promise<Reply> => run(middlewares, new FakeContext({ candidates: [x] }, host), dispatch);
    expect((await failureOf(send())).upstream?.status).toBe(500);
    expect((await failureOf(send())).code).toBe("circuit_breaker_open");
  });
});

/** What may happen at one target; `index` chooses among the attempts that run. */
type Happening =
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "start" }
  | { readonly kind: "end"; readonly index: number; readonly how: "success" | "failure" | "neutral" };

interface Numbers {
  readonly failureThreshold: number;
  readonly successThreshold: number;
  readonly maxProbes: number;
  readonly openMs: number;
}

/** The rules of a circuit word by word, for one target and replies that are whole. */
class Reference {
  state: "closed" | "open" | "halfOpen" = "closed";
  generation = 0;
  #failures = 0;
  #successes = 0;
  #openUntilMs = 0;
  /** Of running probes. */
  #probes = 0;
  readonly #numbers: Numbers;

  constructor(numbers: Numbers) {
    this.#numbers = numbers;
  }

  /** The generation in which the attempt starts; undefined when it is refused. */
  start(nowMs: number): number | undefined {
    if (this.state === "closed") return this.generation;
    if (this.state === "open") {
      if (nowMs < this.#openUntilMs) return undefined;
      this.state = "halfOpen";
    }
    if (this.#probes >= this.#numbers.maxProbes) return undefined;
    this.#probes++;
    return this.generation;
  }

  end(generation: number, how: "success" | "failure" | "neutral", nowMs: number): void {
    if (generation !== this.generation) return;
    if (this.state === "halfOpen") this.#probes--;
    if (how === "neutral") return;
    if (this.state === "closed") {
      this.#failures = how === "failure" ? this.#failures + 1 : 0;
      if (this.#failures >= this.#numbers.failureThreshold) this.#open(nowMs);
    } else if (how === "failure") this.#open(nowMs);
    else if (++this.#successes >= this.#numbers.successThreshold) this.#begin("closed");
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.#numbers.openMs;
    this.#begin("open");
  }

  #begin(state: "closed" | "open"): void {
    this.state = state;
    this.generation++;
    this.#failures = this.#successes = this.#probes = 0;
  }
}

describe("any history", () => {
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("advance"), ms: fc.integer({ min: 0, max: 120 }) }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: "start" }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("end"),
        index: fc.nat(20),
        how: fc.constantFrom("success", "failure", "failure", "neutral"),
      }),
    },
  ) as fc.Arbitrary<Happening>;
  const numbers = fc.record({
    failureThreshold: fc.integer({ min: 1, max: 4 }),
    successThreshold: fc.integer({ min: 1, max: 3 }),
    maxProbes: fc.integer({ min: 1, max: 3 }),
    openMs: fc.constant(100),
  });

  it("B2: admits, refuses and changes as the reference does", async () => {
    await fc.assert(
      fc.asyncProperty(
        numbers,
        fc.array(happening, { minLength: 20, maxLength: 80, size: "max" }),
        async (options, happenings) => {
          const rig = await rigOf({ ...options, probeMs: 1e9 });
          const reference = new Reference(options);
          const running: { held: ReturnType<typeof hold>; generation: number }[] = [];
          for (const step of happenings) {
            const { nowMs } = rig.host;
            if (step.kind === "advance") rig.host.nowMs += step.ms;
            else if (step.kind === "start") {
              const before = rig.attempts.length;
              const held = hold(rig);
              await turn();
              const generation = reference.start(nowMs);
              expect(rig.attempts.length - before).toBe(generation === undefined ? 0 : 1);
              if (generation !== undefined) running.push({ held, generation });
            } else if (running.length > 0) {
              const [ending] = running.splice(step.index % running.length, 1);
              reference.end(ending!.generation, step.how, nowMs);
              await ending!.held.settle((attempt) => {
                if (step.how === "success") return attempt.whole();
                return Promise.reject(step.how === "failure" ? attempt.fail(FAILURE) : attempt.leave());
              });
            }
            expect(rig.transitions.at(-1)?.to ?? "closed").toBe(reference.state);
          }
        },
      ),
      { seed: 14, numRuns: 150 },
    );
  });
});
