/** Balancing while the config changes under it, and beside health checks, over sockets. */
import { balancer } from "@gatewright/balancer";
import { healthCheck } from "@gatewright/health-check";
import type { Plugin } from "gatewright";
import { resolveConfig } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import type { TestGateway } from "../_support/gateway.ts";
import { ROOT } from "../_support/program.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chatBody, openaiAt, post, simulated } from "./_stage.ts";

type Weights = Readonly<Record<string, number>>;
type Backends = Readonly<Record<string, SimulatedBackend>>;

const configOf = (backends: Backends, weights: Weights, plugin: Plugin): Record<string, unknown> => ({
  server: { host: "127.0.0.1", port: 0 },
  backends: Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [name, openaiAt(backends[name]!, { weight })]),
  ),
  plugins: [plugin],
});

async function reload({ server }: TestGateway, config: Record<string, unknown>): Promise<void> {
  const resolved = await resolveConfig(config, { dir: ROOT });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
  await server.gateway.reload(resolved.config);
}

/** Sends so many requests, ten at a time, and tells how many each backend got more. */
async function spread({ url }: TestGateway, backends: Backends, count: number): Promise<Weights> {
  const before = countsOf(backends);
  for (let sent = 0; sent < count; sent += 10) {
    const replies = Array.from({ length: 10 }, async () => {
      const reply = await post(`${url}/v1/chat/completions`, chatBody());
      await reply.text();
      return reply.status;
    });
    expect(new Set(await Promise.all(replies))).toEqual(new Set([200]));
  }
  return Object.fromEntries(
    Object.entries(countsOf(backends)).map(([name, after]) => [name, after - before[name]!]),
  );
}

const countsOf = (backends: Backends): Record<string, number> =>
  Object.fromEntries(Object.entries(backends).map(([name, { requests }]) => [name, requests.length]));

async function start(names: readonly string[], weights: Weights, plugin: Plugin) {
  const backends = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await simulated({ tokens: 2, keepRequests: 10_000 })] as const),
    ),
  );
  const gateway = await startTestGateway(configOf(backends, weights, plugin));
  onTestFinished(() => gateway.close());
  return { backends, gateway };
}

describe("a pool that changes while it is used", () => {
  it("B11 ba-14: weights, a drained backend, one that is added and one that goes hold from the next request", async () => {
    const plugin = balancer();
    const { backends, gateway } = await start(["a", "b", "c", "d"], { a: 0, b: 1, c: 3 }, plugin);
    expect(await spread(gateway, backends, 400)).toEqual({ a: 0, b: 100, c: 300, d: 0 });
    // c is drained.
    await reload(gateway, configOf(backends, { a: 0, b: 1, c: 0 }, plugin));
    expect(await spread(gateway, backends, 40)).toEqual({ a: 0, b: 40, c: 0, d: 0 });
    // d is added, a gets weight.
    await reload(gateway, configOf(backends, { a: 1, b: 1, c: 0, d: 2 }, plugin));
    expect(await spread(gateway, backends, 400)).toEqual({ a: 100, b: 100, c: 0, d: 200 });
    // b goes.
    await reload(gateway, configOf(backends, { a: 1, c: 0, d: 2 }, plugin));
    expect(await spread(gateway, backends, 300)).toEqual({ a: 100, b: 0, c: 0, d: 200 });
  });

  it("ba-14: loses no request and gives nothing to a drained backend, whenever it changes", async () => {
    const plugin = balancer();
    const { backends, gateway } = await start(["a", "b"], { a: 1, b: 1 }, plugin);
    let running = true;
    const traffic = (async () => {
      while (running) await spread(gateway, backends, 20);
    })();
    for (let round = 0; round < 20; round++) {
      const drained = round % 2 === 0 ? "a" : "b";
      await reload(gateway, configOf(backends, { a: 1, b: 1, [drained]: 0 }, plugin));
    }
    running = false;
    await traffic;
    const before = countsOf(backends);
    await spread(gateway, backends, 20);
    expect(countsOf(backends)).toEqual({ a: before["a"]! + 20, b: before["b"] });
  });

  it("ba-14 st-8: streams that run count on for the targets that stay", async () => {
    const plugin = balancer({ strategy: "least-connections" });
    const { backends, gateway } = await start(["a", "b"], { a: 1, b: 1 }, plugin);
    backends["a"]!.faults = () => ({ kind: "stall", afterEvents: 3 });
    const left = new AbortController();
    const held = await post(`${gateway.url}/v1/chat/completions`, chatBody({ stream: true }), {
      signal: left.signal,
    });
    expect(held.headers.get("x-gatewright-backend")).toBe("a");
    await reload(gateway, configOf(backends, { a: 1, b: 1 }, plugin));
    for (let count = 0; count < 4; count++) {
      const reply = await post(`${gateway.url}/v1/chat/completions`, chatBody());
      expect(reply.headers.get("x-gatewright-backend")).toBe("b");
      await reply.text();
    }
    left.abort();
    await expect(held.text()).rejects.toThrow();
    backends["a"]!.faults = [];
    await waitFor("the end of the stream to be counted", async () => {
      const reply = await post(`${gateway.url}/v1/chat/completions`, chatBody());
      await reply.text();
      return reply.headers.get("x-gatewright-backend") === "a";
    });
  });
});

describe("a backend all of whose connections are taken", () => {
  it("B10: is asked by its check all the same, on a connection of the check's own", async () => {
    const backend = await simulated({ faults: () => ({ kind: "stall", afterEvents: 3 }) });
    const gateway = await startTestGateway({
      backends: { busy: openaiAt(backend, { connections: 1 }) },
      plugins: [healthCheck({ intervalMs: 20, timeoutMs: 5_000 })],
    });
    onTestFinished(() => gateway.close());
    const left = new AbortController();
    const held = await post(`${gateway.url}/v1/chat/completions`, chatBody({ stream: true }), {
      signal: left.signal,
    });
    expect(held.status).toBe(200);
    const checks = (): number => backend.requests.filter(({ method }) => method === "GET").length;
    const before = checks();
    await waitFor("two more checks", () => checks() >= before + 2);
    left.abort();
    await expect(held.text()).rejects.toThrow();
  });
});
