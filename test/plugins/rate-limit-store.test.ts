/** Rate limits while Redis is bad: down, slow, cut off, emptied. */
import { rateLimit } from "@gatewright/rate-limit";
import type { RateLimitOptions } from "@gatewright/rate-limit";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chatBody, errorOf, MODEL, openaiAt, post } from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import type { TestGateway } from "../_support/gateway.ts";
import { startRedis } from "../_support/redis.ts";
import type { TestRedis } from "../_support/redis.ts";
import { startTcpProxy } from "../_support/tcp-proxy.ts";
import type { TcpProxy } from "../_support/tcp-proxy.ts";
import { waitFor } from "../_support/wait-for.ts";
import { flood } from "./_flood.ts";

let redis: TestRedis;
let backend: SimulatedBackend;
let proxy: TcpProxy;

beforeAll(async () => {
  redis = await startRedis();
  backend = await startSimulatedBackend({ dialect: "openai", models: [MODEL] });
});
afterAll(async () => {
  await backend.close();
  await redis.stop();
});
beforeEach(async () => {
  await redis.command("FLUSHALL");
  proxy = await startTcpProxy({ host: "127.0.0.1", port: redis.port });
  return () => proxy.close();
});

function chat({ url }: TestGateway, rest: Record<string, unknown> = {}): Promise<Response> {
  return post(`${url}/v1/chat/completions`, chatBody(rest));
}

/** 100 in the store, 50 in each of two processes without it; a test is too short for a refill. */
const HUNDRED = { capacity: 100, rate: 1, per: "day", expectedProcesses: 2 } as const;
type OnStoreFailure = RateLimitOptions["onStoreFailure"];

async function open(
  onStoreFailure: OnStoreFailure,
  { timeoutMs = 300, ...rest }: Partial<RateLimitOptions> & { timeoutMs?: number } = {},
): Promise<TestGateway> {
  const gateway = await startTestGateway({
    state: { driver: "redis", url: `redis://${proxy.host}:${proxy.port}`, timeoutMs },
    backends: { main: openaiAt(backend) },
    plugins: [rateLimit({ ...HUNDRED, onStoreFailure, ...rest })],
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

const FAULTS: Record<string, { begin(): void; end(): void }> = {
  "refused and reset": {
    begin() {
      proxy.refuse = true;
      proxy.reset();
    },
    end() {
      proxy.refuse = false;
    },
  },
  slow: {
    begin() {
      proxy.delayMs = 1_500;
    },
    end() {
      proxy.delayMs = 0;
    },
  },
  silent: {
    begin: () => proxy.blackhole(true),
    end: () => proxy.blackhole(false),
  },
};

const counts = (passed: number, refused: number, status = 429): Map<number, number> =>
  new Map([
    [200, passed],
    [status, refused],
  ]);

/** What the store has left, by what the next reply tells. */
async function askStore(gateway: TestGateway): Promise<{ remaining: number } | undefined> {
  const reply = await chat(gateway);
  await reply.text();
  if (reply.headers.get("x-ratelimit-limit") !== "100") return undefined;
  return { remaining: Number(reply.headers.get("x-ratelimit-remaining")) };
}

describe.each(Object.keys(FAULTS))("Z1: Redis %s", (fault) => {
  it("open-local: this process limits by its share, and the store counts again without a restart", async () => {
    const gateway = await open("open-local");
    expect(await askStore(gateway)).toEqual({ remaining: 99 });
    FAULTS[fault]!.begin();
    expect(await flood([gateway.url], 200)).toEqual(counts(50, 150));
    FAULTS[fault]!.end();
    const { remaining } = await waitFor("the store counts", () => askStore(gateway));
    // What a slow store ran although nobody waited for it is charged.
    expect(remaining).toBeLessThanOrEqual(98);
    const { length } = gateway.lines.filter((line) => line.includes("each process limits by its share"));
    expect(length).toBe(1);
    await waitFor("the log tells it", () =>
      gateway.lines.some((line) => line.includes("the store counts again")),
    );
  });

  it("open: all pass, without headers", async () => {
    const gateway = await open("open", { capacity: 1 });
    expect((await chat(gateway)).headers.get("x-ratelimit-limit")).toBe("1");
    FAULTS[fault]!.begin();
    expect(await flood([gateway.url], 100)).toEqual(new Map([[200, 100]]));
    expect((await chat(gateway)).headers.get("x-ratelimit-limit")).toBeNull();
    FAULTS[fault]!.end();
    await waitFor("the store counts", async () => (await chat(gateway)).status === 429);
  });

  it("closed: all are refused with 503", async () => {
    const gateway = await open("closed");
    FAULTS[fault]!.begin();
    expect(await flood([gateway.url], 100)).toEqual(new Map([[503, 100]]));
    const refused = await chat(gateway);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await errorOf(refused)).toMatchObject({ code: "state_unavailable", type: "service_unavailable" });
    FAULTS[fault]!.end();
    await waitFor("the store counts", async () => (await chat(gateway)).status !== 503);
  });
});

it("Z1: a gateway that starts without Redis limits by its share, and by the store once it is there", async () => {
  proxy.refuse = true;
  const gateway = await open("open-local");
  expect(await flood([gateway.url], 100)).toEqual(counts(50, 50));
  proxy.refuse = false;
  expect(await waitFor("the store counts", () => askStore(gateway))).toEqual({ remaining: 99 });
});

it("connections reset under load: no error reaches a client, and no more pass than store and share allow", async () => {
  const gateway = await open("open-local", { timeoutMs: 10_000 });
  let resets = 0;
  const timer = setInterval(() => {
    proxy.reset();
    resets++;
  }, 20);
  const statuses = await flood([gateway.url], 2_000);
  clearInterval(timer);
  expect(resets).toBeGreaterThan(0);
  expect(statuses.get(200)).toBeLessThanOrEqual(150);
  expect(statuses.get(200)! + statuses.get(429)!).toBe(2_000);
});

it("emptied under load: requests go on, and the limit starts full again", async () => {
  const gateway = await open("open-local", { timeoutMs: 10_000 });
  expect(await flood([gateway.url], 300)).toEqual(counts(100, 200));
  await redis.command("FLUSHALL");
  await redis.command("SCRIPT", "FLUSH");
  expect(await flood([gateway.url], 300)).toEqual(counts(100, 200));
});

it("a settlement that the store cannot take breaks nothing, and leaves the reservation", async () => {
  const gateway = await open("open-local", { capacity: undefined, unit: "tokens", rate: 100_000 });
  const slow = { stream: true, max_tokens: 1_000 };
  const reply = await chat(gateway, slow);
  expect(Number(reply.headers.get("x-ratelimit-remaining-tokens"))).toBeLessThan(99_000);
  proxy.refuse = true;
  proxy.reset();
  expect(await reply.text()).toContain("[DONE]");
  proxy.refuse = false;
  await waitFor("the store counts", async () => {
    const next = await chat(gateway, { max_tokens: 1 });
    await next.text();
    return next.headers.get("x-ratelimit-limit-tokens") === "100000";
  });
});

it("Z5: a failover that loses the last writes admits once more what these had taken, and not a unit beyond", async () => {
  const own = await startRedis();
  onTestFinished(() => own.stop());
  const gateway = await startTestGateway({
    state: { driver: "redis", url: own.url, timeoutMs: 10_000 },
    backends: { main: openaiAt(backend) },
    plugins: [rateLimit({ ...HUNDRED, onStoreFailure: "closed" })],
  });
  onTestFinished(() => gateway.close());
  expect(await flood([gateway.url], 60)).toEqual(new Map([[200, 60]]));
  await own.command("SAVE");
  expect(await flood([gateway.url], 30)).toEqual(new Map([[200, 30]]));
  // It comes back with what was saved: 60 of the 90.
  const ready = async (): Promise<boolean> => (await fetch(`${gateway.url}/readyz`)).ok;
  await own.kill();
  await waitFor("the loss to be seen", async () => !(await ready()));
  await own.restart();
  await waitFor("the store counts", ready);
  expect(await flood([gateway.url], 200)).toEqual(counts(40, 160));
});
