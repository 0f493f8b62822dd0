import { fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSecret } from "../../../core/src/config/secret.ts";
import { createState } from "../../../core/src/state/create-state.ts";
import type { StateRoot } from "../../../core/src/state/create-state.ts";
import { StoreGuard } from "../../../core/src/state/redis/store-guard.ts";
import { defineAtomicOp, StateUnavailable } from "../../../core/src/state/state.ts";
import { startRedis, startRedisCluster } from "../../_support/redis.ts";
import type { TestRedis } from "../../_support/redis.ts";
import { startTcpProxy } from "../../_support/tcp-proxy.ts";
import type { TcpProxy } from "../../_support/tcp-proxy.ts";
import { waitFor } from "../../_support/wait-for.ts";
import { countAll } from "./_sample-ops.ts";
import { stateSuite } from "./_state-suite.ts";

const HOUR = 3_600_000;
const add = (by: number) => [by, 1e9, HOUR] as [number, number, number];

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

stateSuite({
  driver: "redis",
  shared: true,
  async open() {
    await redis.command("FLUSHALL");
    return createState({ driver: "redis", url: redis.url, timeoutMs: 5_000 });
  },
  // Redis has its own clock, which no test can move.
  passTime: (ms) => sleep(ms),
});

function recordingLog() {
  const lines: string[] = [];
  const write = (message: string, fields?: object) =>
    void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
  return { lines, debug: () => {}, info: write, warn: write, error: write };
}

describe("redis state, shared", () => {
  beforeEach(() => redis.command("FLUSHALL"));

  test("two processes at one limit admit exactly as many as it allows", async () => {
    const counts = Array.from({ length: 2 }, () => {
      const child = fork(new URL("_redis-child.ts", import.meta.url), [redis.url, "1000", "700"], {
        execArgv: ["--conditions=gatewright-source", "--import", "tsx"],
      });
      return new Promise<number>((resolve, reject) => {
        child.once("message", (count) => resolve(count as number));
        child.once("exit", (code) => reject(new Error(`child ended with ${code}`)));
      });
    });
    const [a, b] = await Promise.all(counts);
    expect(a! + b!).toBe(700);
  });

  test("R10: every record has a time to live, and all keys stand below the prefix", async () => {
    const state = await createState({ driver: "redis", url: redis.url, prefix: "pre*:" });
    await state.scoped("plugin").run(countAll, ["a", "b"], [1, 9, 5_000]);
    await state.scoped("plugin").set("doc", {});
    const keys = (await redis.command("KEYS", "*")) as string[];
    expect(keys.sort()).toEqual(["pre*:doc:plugin:doc", "pre*:rec:{plugin}:a", "pre*:rec:{plugin}:b"]);
    for (const key of keys.slice(1)) {
      const ttl = (await redis.command("PTTL", key)) as number;
      expect(ttl).toBeGreaterThan(0);
      expect(ttl).toBeLessThanOrEqual(5_000);
    }
    expect(await state.keys()).toEqual(["plugin:doc"]);
    await state.close();
  });

  test("a script is sent by its hash, and in full only when Redis does not know it", async () => {
    const state = await createState({ driver: "redis", url: redis.url });
    await state.run(countAll, ["k"], add(1));
    const calls = async (name: string) => {
      const stats = String(await redis.command("INFO", "commandstats"));
      return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    };
    const evals = await calls("eval");
    for (let i = 0; i < 5; i++) await state.run(countAll, ["k"], add(1));
    expect(await calls("eval")).toBe(evals);
    await redis.command("SCRIPT", "FLUSH");
    await redis.command("FLUSHALL");
    expect(await state.run(countAll, ["k"], add(1))).toEqual([1, 1]);
    expect(await calls("eval")).toBe(evals + 1);
    await state.close();
  });

  test.each([
    ["a time to live of 0", "return states, { 1 }, { 0, 0 }"],
    ["a missing state", "return { {} }, { 1 }, { 1000, 1000 }"],
    ["a number that is not finite", "return { {}, { n = 0 / 0 } }, { 1 }, { 1000, 1000 }"],
    ["a result that is a boolean", "return { {}, {} }, { true }, { 1000, 1000 }"],
    ["an error", "error('broken')"],
  ])("an op with %s fails as a fault of the op and writes nothing", async (_what, lua) => {
    const state = await createState({ driver: "redis", url: redis.url });
    const op = defineAtomicOp<{ n: number }, [], [number]>({
      name: "broken-op",
      reduce: () => ({ states: [], result: [0], ttlMs: [] }),
      lua,
    });
    const failure = await Promise.resolve(state.run(op, ["a", "b"], [])).catch((error: unknown) => error);
    expect(failure).not.toBeInstanceOf(StateUnavailable);
    expect((failure as Error).message).toContain("broken-op");
    expect(await redis.command("DBSIZE")).toBe(0);
    await state.close();
  });

  test("Z8: an eviction policy that may drop state is warned of at start", async () => {
    const log = recordingLog();
    await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    const state = await createState({ driver: "redis", url: redis.url }, { log });
    await waitFor("the warning", () => log.lines.some((line) => line.includes("allkeys-lru")));
    await state.close();
    await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
  });

  test("a full Redis is StateUnavailable", async () => {
    const state = await createState({ driver: "redis", url: redis.url });
    await redis.command("CONFIG", "SET", "maxmemory", "1");
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(StateUnavailable);
    await expect(state.set("k", {})).rejects.toThrow(StateUnavailable);
    await redis.command("CONFIG", "SET", "maxmemory", "0");
    expect(await state.run(countAll, ["k"], add(1))).toEqual([1, 1]);
    await state.close();
  });
});

describe("redis state, failing", () => {
  let server: TestRedis;
  let proxy: TcpProxy;
  let state: StateRoot | undefined;
  beforeEach(async () => {
    server = await startRedis();
    proxy = await startTcpProxy({ host: "127.0.0.1", port: server.port });
  });
  afterEach(async () => {
    await state?.close();
    state = undefined;
    await proxy.close();
    await server.stop();
  });

  const recovered = (root: StateRoot) =>
    waitFor("the recovery", async () => {
      try {
        return await root.run(countAll, ["probe"], add(0));
      } catch (error) {
        if (error instanceof StateUnavailable) return undefined;
        throw error;
      }
    });

  test("Z1: one that is down at start does not stop the start, and is used when it comes", async () => {
    await server.kill();
    const log = recordingLog();
    state = await createState({ driver: "redis", url: server.url }, { log });
    expect(state.status().ok).toBe(false);
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(StateUnavailable);
    await expect(state.get("k")).rejects.toThrow(StateUnavailable);
    await expect(state.keys()).rejects.toThrow(StateUnavailable);
    await server.restart();
    await recovered(state);
    expect(await state.run(countAll, ["k"], add(1))).toEqual([1, 1]);
    expect(state.status()).toEqual({ ok: true });
    expect(log.lines.map((line) => line.split(" {")[0])).toEqual([
      "Redis cannot be reached; trying on",
      "Redis is connected",
    ]);
  });

  test("Z1: one that dies and comes back empty is used again without a restart of ours", async () => {
    state = await createState({ driver: "redis", url: server.url });
    await state.run(countAll, ["k"], add(1));
    await server.kill();
    await waitFor("the loss to be seen", () => !state!.status().ok);
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(StateUnavailable);
    await server.restart();
    await recovered(state);
    expect(await state.run(countAll, ["k"], add(1))).toEqual([1, 1]);
  });

  test("a slow one is waited for once; the others are refused at once; a late answer opens the way again", async () => {
    state = await createState({ driver: "redis", url: server.url, timeoutMs: 50 });
    await state.run(countAll, ["k"], add(1));
    await server.command("CLIENT", "PAUSE", 700, "ALL");
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(/within 50 ms/);
    expect(state.status().ok).toBe(false);
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(/does not answer/);
    await expect(state.get("k")).rejects.toThrow(/does not answer/);
    await recovered(state);
    // The call that timed out ran once, late; the refused ones never.
    expect(await state.run(countAll, ["k"], add(1))).toEqual([1, 3]);
  });

  test("a script whose connection breaks before the answer is not sent again", async () => {
    state = await createState({ driver: "redis", url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 5_000 });
    await state.run(countAll, ["k"], add(1));
    // Answers are held back for longer than the requests need to arrive.
    proxy.delayMs = 300;
    const lost = Promise.all(
      Array.from({ length: 5 }, () =>
        Promise.resolve(state!.run(countAll, ["k"], add(1))).catch((error: unknown) => error),
      ),
    );
    await waitFor("the scripts to run", async () => {
      const stats = String(await server.command("INFO", "commandstats"));
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]) >= 6;
    });
    proxy.reset();
    proxy.delayMs = 0;
    for (const result of await lost) expect(result).toBeInstanceOf(StateUnavailable);
    await recovered(state);
    expect(await state.run(countAll, ["k"], add(0))).toEqual([1, 6]);
  });

  test("a connection that fell silent is replaced by a new one", async () => {
    state = await createState({ driver: "redis", url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 50 });
    await state.run(countAll, ["k"], add(1));
    proxy.blackhole(true);
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(StateUnavailable);
    await waitFor("the connection to be given up", () => state!.status().reason === "Redis is not connected");
    proxy.reset();
    proxy.blackhole(false);
    await recovered(state);
  });

  test("the time limit of a connection that was lost does not end the next one", async () => {
    state = await createState({ driver: "redis", url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 50 });
    await recovered(state);
    proxy.delayMs = 500;
    const sentMs = performance.now();
    await expect(state.run(countAll, ["k"], add(1))).rejects.toThrow(StateUnavailable);
    proxy.reset();
    proxy.delayMs = 0;
    await recovered(state);
    // Two seconds of silence end a connection.
    await waitFor("the limit to pass", () => {
      expect(state!.status()).toEqual({ ok: true });
      return performance.now() - sentMs > 2_500;
    });
  });

  test("a frozen one holds up neither calls nor the close", async () => {
    state = await createState({ driver: "redis", url: server.url, timeoutMs: 50 });
    server.pause();
    const calls = Array.from({ length: 100 }, () => state!.run(countAll, ["k"], add(1)) as Promise<number[]>);
    const results = await Promise.allSettled(calls);
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    await state.close();
    state = undefined;
    server.resume();
  });

  test("a wrong password is StateUnavailable, and no password is logged", async () => {
    await server.command("CONFIG", "SET", "requirepass", "right");
    const log = recordingLog();
    const url = createSecret(`redis://:wrong-password@127.0.0.1:${server.port}`);
    state = await createState({ driver: "redis", url }, { log });
    const failure = await Promise.resolve(state.run(countAll, ["k"], add(1))).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StateUnavailable);
    expect(JSON.stringify([log.lines, String(failure)])).not.toContain("wrong-password");
    expect(log.lines).toHaveLength(1);
  });
});

describe("redis cluster", () => {
  let nodes: TestRedis[] = [];
  beforeAll(async () => {
    nodes = await startRedisCluster(2);
  });
  afterAll(async () => {
    for (const node of nodes) await node.stop();
  });

  test("Z7: the keys of one plugin share a slot, plugins spread over the nodes, documents over all", async () => {
    const state = await createState({ driver: "redis", url: nodes[0]!.url, cluster: true, timeoutMs: 5_000 });
    const names = Array.from({ length: 20 }, (_, i) => `name-${i}`);
    const runs = names.map(async (plugin) => state.scoped(plugin).run(countAll, names, add(1)));
    for (const result of await Promise.all(runs)) expect(result).toEqual([1, ...names.map(() => 1)]);
    for (const name of names) await state.set(name, { name });
    expect(await state.get("name-7")).toEqual({ name: "name-7" });
    expect((await state.keys()).sort()).toEqual([...names].sort());
    for (const node of nodes) expect(await node.command("DBSIZE")).toBeGreaterThan(0);
    expect(state.status()).toEqual({ ok: true });
    await state.close();
  });
});

describe("the guard", () => {
  test("lets a single call probe after a time-out, and all once it is answered", async () => {
    const guard = new StoreGuard(1);
    const never = () => new Promise<never>(() => {});
    await expect(guard.call(never)).rejects.toThrow(StateUnavailable);
    await expect(guard.call(async () => 1)).rejects.toThrow(/waiting before the next try/);
    let sent = 0;
    const probe = async () => {
      sent += 1;
      return await never();
    };
    await waitFor("the probe to be let through", async () => {
      const probes = await Promise.allSettled([guard.call(probe), guard.call(probe), guard.call(probe)]);
      expect(probes.every(({ status }) => status === "rejected")).toBe(true);
      return sent === 1;
    });
    guard.answered();
    expect(await Promise.all([guard.call(async () => 1), guard.call(async () => 2)])).toEqual([1, 2]);
  });

  test("a late answer lets a single call probe at once, and not all", async () => {
    const guard = new StoreGuard(5);
    let answer = (_value: number): void => {};
    const late = guard.call(() => new Promise<number>((resolve) => (answer = resolve)));
    await expect(late).rejects.toThrow(StateUnavailable);
    await expect(guard.call(async () => 1)).rejects.toThrow(/waiting before the next try/);
    answer(1);
    await new Promise(setImmediate);
    let sent = 0;
    const slow = () => {
      sent += 1;
      return new Promise<never>(() => {});
    };
    await Promise.allSettled(Array.from({ length: 10 }, () => guard.call(slow)));
    expect(sent).toBe(1);
  });

  test("a reply that waits in the socket while our own process stalls is not a time-out", async () => {
    const guard = new StoreGuard(5);
    const server = await startRedis();
    const { Redis } = await import("ioredis");
    const client = new Redis(server.port);
    await client.ping();
    const reply = guard.call(() => client.ping());
    await new Promise(setImmediate);
    const until = performance.now() + 50;
    while (performance.now() < until);
    expect(await reply).toBe("PONG");
    client.disconnect();
    await server.stop();
  });
});
