/** Every plugin that keeps state, in every outage of Redis: what its README promises, and back without a restart. */
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { concurrency } from "@gatewright/concurrency";
import { rateLimit } from "@gatewright/rate-limit";
import { responsesStore } from "@gatewright/responses-store";
import type { Plugin } from "gatewright";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chatBody, errorOf, MODEL, openaiAt, post, simulated } from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import type { TestGateway } from "../_support/gateway.ts";
import { startRedis } from "../_support/redis.ts";
import type { TestRedis } from "../_support/redis.ts";
import { startTcpProxy } from "../_support/tcp-proxy.ts";
import type { TcpProxy } from "../_support/tcp-proxy.ts";
import { waitFor } from "../_support/wait-for.ts";

let redis: TestRedis;
let proxy: TcpProxy;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await redis.command("FLUSHALL");
  proxy = await startTcpProxy({ host: "127.0.0.1", port: redis.port });
  return () => proxy.close();
});

interface Outage {
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
}

/** Ways of Redis to be of no use, for as long as they last. */
const OUTAGES: Readonly<Record<string, Outage>> = {
  "is refused and reset": {
    begin() {
      proxy.refuse = true;
      proxy.reset();
    },
    end: () => void (proxy.refuse = false),
  },
  "is late by a second": {
    begin: () => void (proxy.delayMs = 500),
    end: () => void (proxy.delayMs = 0),
  },
  "is silent": {
    begin: () => proxy.blackhole(true),
    end: () => proxy.blackhole(false),
  },
  "is killed and comes back empty": {
    begin: () => redis.kill(),
    end: () => redis.restart(),
  },
};

/** A gateway whose Redis is behind the proxy. */
async function startBehindProxy(
  backend: SimulatedBackend,
  plugins: readonly Plugin[],
  address: { host: string; port: number } = proxy,
): Promise<TestGateway> {
  const gateway = await startTestGateway({
    state: { driver: "redis", url: `redis://${address.host}:${address.port}`, timeoutMs: 300 },
    backends: { main: openaiAt(backend) },
    plugins,
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

const chat = ({ url }: TestGateway, rest: object = {}, init: RequestInit = {}): Promise<Response> =>
  post(`${url}/v1/chat/completions`, chatBody({ ...rest }), init);

/** Its status, once it is whole. */
async function statusOf(reply: Promise<Response>): Promise<number> {
  const { status, body } = await reply;
  await body?.cancel();
  return status;
}

describe.each(Object.entries(OUTAGES))("Z1: while Redis %s", (_name, outage) => {
  describe("concurrency, shared", () => {
    /** Goes on until it is left. */
    const ENDLESS = { tokens: 100_000, tokenMs: 250 } as const;
    const SLOTS = { maxConcurrent: 2, shared: true, expectedProcesses: 2, name: "outage" } as const;

    /** Sends so many that stay, and gives their statuses; `leave` ends them. */
    async function hold(gateway: TestGateway, count: number) {
      const controllers = Array.from({ length: count }, () => new AbortController());
      const statuses: number[] = [];
      for (const { signal } of controllers)
        statuses.push((await chat(gateway, { stream: true }, { signal })).status);
      return { statuses, leave: () => controllers.forEach((controller) => controller.abort()) };
    }

    it.each([
      ["open-local", [200, 503, 503]],
      ["open", [200, 200, 200]],
      ["closed", [503, 503, 503]],
    ] as const)("%s: of three requests at once gives %j", async (onStoreFailure, promised) => {
      const backend = await simulated(ENDLESS);
      const gateway = await startBehindProxy(backend, [concurrency({ ...SLOTS, onStoreFailure })]);
      const isExact = async (): Promise<boolean> => {
        const { statuses, leave } = await hold(gateway, 3);
        leave();
        return statuses.join() === "200,200,503";
      };
      await waitFor("exactly two slots", isExact);
      await waitFor("the slots to be free", async () => (await redis.command("DBSIZE")) === 0);

      await outage.begin();
      const meanwhile = await hold(gateway, 3);
      expect(meanwhile.statuses).toEqual(promised);
      meanwhile.leave();
      await outage.end();

      // Sooner than a lease of 30 s runs out: what the store took without our knowing is given back.
      await waitFor("exactly two slots", isExact);
      await waitFor("the slots to be free again", async () => (await redis.command("DBSIZE")) === 0);
    });
  });

  it("cache: answers come from upstream and never fail, and are hits again after it", async () => {
    const backend = await simulated();
    const gateway = await startBehindProxy(backend, [cache({ store: "state" })]);
    const ask = async (): Promise<string | null> => {
      const reply = await chat(gateway, { temperature: 0 });
      await reply.text();
      expect(reply.status).toBe(200);
      return reply.headers.get("x-gatewright-cache");
    };
    await waitFor("a hit", async () => (await ask()) === "hit");
    await outage.begin();
    // The request that stores an answer may still tell it to the first.
    await waitFor("a bypass", async () => (await ask()) === "bypass");
    const asked = backend.requests.length;
    for (let i = 0; i < 5; i++) expect(await ask()).toBe("bypass");
    expect(backend.requests).toHaveLength(asked + 5);
    await outage.end();
    await waitFor("a hit", async () => (await ask()) === "hit");
  });

  it("circuit-breaker, shared: opens by its own failures, and tells and learns again after it", async () => {
    const backend = await simulated();
    const options = { shared: true, syncMs: 50, failureThreshold: 2, successThreshold: 1, openMs: 300 };
    const cutOff = await startBehindProxy(backend, [circuitBreaker(options)]);
    const other = await startBehindProxy(backend, [circuitBreaker(options)], {
      host: "127.0.0.1",
      port: redis.port,
    });
    const fail = async (gateway: TestGateway): Promise<string> => (await errorOf(await chat(gateway))).code;
    const failing = (): { kind: "status"; status: number } => ({ kind: "status", status: 500 });

    backend.faults = failing;
    await outage.begin();
    expect(await fail(cutOff)).toBe("provider_error");
    expect(await fail(cutOff)).toBe("provider_error");
    expect(await fail(cutOff)).toBe("circuit_breaker_open");
    await outage.end();
    for (const [tells, learns] of [
      [cutOff, other],
      [other, cutOff],
    ] as const) {
      backend.faults = [];
      for (const gateway of [tells, learns])
        await waitFor("a closed breaker", async () => (await statusOf(chat(gateway))) === 200);
      const learnt = (): number => learns.lines.filter((line) => line.includes('"cause":"shared"')).length;
      const before = learnt();
      backend.faults = failing;
      // Without a request of its own.
      await waitFor("the other to learn of it", async () => {
        await fail(tells);
        return learnt() > before;
      });
    }
  });

  it("responses-store: answers go out and say that they are not kept; reading is 503; both work after it", async () => {
    const backend = await simulated();
    const gateway = await startTestGateway({
      state: { driver: "redis", url: `redis://${proxy.host}:${proxy.port}`, timeoutMs: 300 },
      backends: { main: openaiAt(backend, { adapter: "localai" }) },
      plugins: [responsesStore()],
    });
    onTestFinished(() => gateway.close());
    const make = async (): Promise<{ id: string; store: boolean }> => {
      const reply = await post(`${gateway.url}/v1/responses`, { model: MODEL, input: "Say something." });
      expect(reply.status).toBe(200);
      return (await reply.json()) as { id: string; store: boolean };
    };
    const read = (id: string): Promise<Response> => fetch(`${gateway.url}/v1/responses/${id}`);
    const kept = await make();
    expect(kept.store).toBe(true);
    expect(await statusOf(read(kept.id))).toBe(200);

    await outage.begin();
    expect((await make()).store).toBe(false);
    const refused = await read(kept.id);
    expect(refused.status).toBe(503);
    expect((await errorOf(refused)).code).toBe("state_unavailable");
    await outage.end();
    const after = await waitFor("the store", async () => {
      const response = await make();
      return response.store ? response : undefined;
    });
    expect(await statusOf(read(after.id))).toBe(200);
  });
});

describe("Z1: Redis that was killed and is empty", () => {
  it.each(["token-bucket", "leaky-bucket", "sliding-window", "fixed-window"] as const)(
    "rate-limit by %s: the share while it is gone, and a full limit when it is back",
    async (algorithm) => {
      const limits = { algorithm, rate: 4, per: "day", expectedProcesses: 2, scope: "global" } as const;
      const gateway = await startBehindProxy(await simulated(), [rateLimit(limits)]);
      const statuses = async (): Promise<number[]> => {
        const all: number[] = [];
        for (let i = 0; i < 5; i++) all.push(await statusOf(chat(gateway)));
        return all;
      };
      expect(await statuses()).toEqual([200, 200, 200, 200, 429]);
      await redis.kill();
      expect(await statuses()).toEqual([200, 200, 429, 429, 429]);
      await redis.restart();
      await waitFor("the store to count", async () => {
        const reply = await chat(gateway);
        await reply.text();
        return reply.headers.get("x-ratelimit-limit") === "4" && reply.status === 200;
      });
      expect(await statuses()).toEqual([200, 200, 200, 429, 429]);
    },
  );
});
