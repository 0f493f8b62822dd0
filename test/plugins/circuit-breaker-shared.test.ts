import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import type { Transition } from "@gatewright/circuit-breaker";
import type { PluginInstance, Target } from "gatewright";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createState } from "../../core/src/state/create-state.ts";
import type { StateRoot } from "../../core/src/state/create-state.ts";
import { shareOpenings } from "../../plugins/circuit-breaker/src/shared-openings.ts";
import { expectReducerEqualsLua } from "../_support/atomic-op-suite.ts";
import { startRedis } from "../_support/redis.ts";
import type { TestRedis } from "../_support/redis.ts";
import { createAttemptDispatch, createPlacedBackend, placeTargets } from "./_attempts.ts";
import { createHost, createTarget, failureOf, FakeContext, run, setupPlugin } from "./_context.ts";
import type { FakeHost } from "./_context.ts";

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(async () => {
  await redis.stop();
});

/** One gateway process with a breaker for the target `x/m`, whose attempts all fail. */
interface Process {
  readonly host: FakeHost;
  readonly instance: PluginInstance;
  readonly transitions: Transition[];
  readonly attempts: number;
  /** Code or status of the failure. */
  send(): Promise<string>;
}

async function startProcess(state: StateRoot, options: object): Promise<Process> {
  const host = createHost();
  const target: Target = createTarget("x", { backend: createPlacedBackend("x") });
  placeTargets(host, [target]);
  Object.assign(host, { state: state.scoped("circuit-breaker") });
  const transitions: Transition[] = [];
  const instance = await setupPlugin(
    circuitBreaker({ ...options, onTransition: (transition: Transition) => transitions.push(transition) }),
    host,
  );
  let attempts = 0;
  const dispatch = createAttemptDispatch(host, (attempt) => {
    attempts++;
    return Promise.reject(attempt.fail({ status: 500 }));
  });
  return {
    host,
    instance,
    transitions,
    get attempts() {
      return attempts;
    },
    async send() {
      const ctx = new FakeContext({ candidates: [target] }, host);
      return (await failureOf(run([instance.middleware!], ctx, dispatch))).code;
    },
  };
}

async function open(process: Process): Promise<void> {
  for (let count = 0; count < 5; count++) expect(await process.send()).toBe("provider_error");
  expect(await process.send()).toBe("circuit_breaker_open");
}

describe("shareOpenings", () => {
  it("is the same function in TypeScript and in Lua", async () => {
    const opening = fc.tuple(
      fc.constantFrom("a/m", "b/m", "c/other", "d.x/m-1"),
      fc.integer({ min: 1, max: 3_000 }),
    );
    await expectReducerEqualsLua(shareOpenings, {
      args: fc.array(opening, { maxLength: 3 }).map((openings) => openings.flat()),
    });
  });

  it("answers with what is open, the later end of two, and forgets what is over", () => {
    const first = shareOpenings.reduce([undefined], ["b", 2_000, "a", 1_000, "a", 500], 0);
    expect(first).toEqual({
      states: [{ a: 1_000_000, b: 2_000_000 }],
      result: ["a", 1_000, "b", 2_000],
      ttlMs: [2_000],
    });
    expect(shareOpenings.reduce([{ a: 1_000_000, b: 2_000_000 }], [], 1_000_000).result).toEqual([
      "b",
      1_000,
    ]);
    expect(shareOpenings.reduce([{ a: 1_000_000 }], [], 1_000_000).states).toEqual([null]);
  });
});

describe("shared", () => {
  it("opens in the other processes within the interval at which they read", async () => {
    const states = [
      await createState({ driver: "redis", url: redis.url, timeoutMs: 5_000 }),
      await createState({ driver: "redis", url: redis.url, timeoutMs: 5_000 }),
    ];
    const options = { shared: true, syncMs: 20, openMs: 30_000 };
    const [one, two] = [await startProcess(states[0]!, options), await startProcess(states[1]!, options)];
    await open(one);
    await vi.waitFor(() => expect(two.transitions).toHaveLength(1));
    expect(two.transitions[0]).toMatchObject({ target: "x/m", to: "open", cause: "shared" });
    expect(two.transitions[0]!.openMs).toBeLessThanOrEqual(30_000);
    expect(await two.send()).toBe("circuit_breaker_open");
    expect(two.attempts).toBe(0);
    // What it learnt is not told again, so nobody keeps a target open for ever.
    expect(one.transitions).toHaveLength(1);
    await Promise.all([one.instance.close?.(), two.instance.close?.()]);
    await Promise.all(states.map((state) => state.close()));
  });

  it("goes by itself while the store is down, and says so once", async () => {
    const own = await startRedis();
    const state = await createState({ driver: "redis", url: own.url });
    const process = await startProcess(state, { shared: true, syncMs: 10 });
    await own.kill();
    await open(process);
    await vi.waitFor(() =>
      expect(process.host.warnings).toContainEqual(expect.stringContaining("store cannot be used")),
    );
    expect(process.attempts).toBe(5);
    expect(process.host.warnings.filter((line) => line.includes("store cannot be used"))).toHaveLength(1);
    await process.instance.close?.();
    await state.close();
    await own.stop();
  });

  it("is refused where processes share no state", async () => {
    const state = await createState({ driver: "memory" });
    await expect(startProcess(state, { shared: true })).rejects.toThrow('got "memory"');
    await state.close();
  });
});

describe("persist", () => {
  it("co-9: an open breaker is open after a restart", async () => {
    const dir = await mkdtemp(join(tmpdir(), "gatewright-breaker-"));
    const before = await createState({ driver: "file", dir });
    await open(await startProcess(before, { persist: true, openMs: 600_000 }));
    await before.close();

    const after = await createState({ driver: "file", dir });
    const restarted = await startProcess(after, { persist: true });
    expect(restarted.transitions).toMatchObject([{ to: "open", cause: "shared" }]);
    expect(restarted.transitions[0]!.openMs).toBeLessThanOrEqual(600_000);
    expect(await restarted.send()).toBe("circuit_breaker_open");
    // The clock of the restarted process begins anew.
    restarted.host.nowMs = 600_000;
    expect(await restarted.send()).toBe("provider_error");
    await after.close();
    await rm(dir, { recursive: true });
  });

  it("is refused with state that dies with the process", async () => {
    const state = await createState({ driver: "memory" });
    await expect(startProcess(state, { persist: true })).rejects.toThrow("outlives the process");
    await state.close();
  });
});
