/** The cap and its queue through real gateways and sockets. */
import { balancer } from "@gatewright/balancer";
import { concurrency } from "@gatewright/concurrency";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { sampleRequests, sendSample } from "../e2e/_requests.ts";
import {
  chatBody,
  errorOf,
  MODEL,
  openaiAt,
  post,
  simulated,
  stageBefore,
  startStage,
} from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { startRedis } from "../_support/redis.ts";
import type { TestRedis } from "../_support/redis.ts";
import { startTcpProxy } from "../_support/tcp-proxy.ts";
import { waitFor } from "../_support/wait-for.ts";
import { flood, startGatewayProcess } from "./_flood.ts";

function chat({ url }: { url: string }, rest: object = {}, init: RequestInit = {}): Promise<Response> {
  return post(`${url}/v1/chat/completions`, chatBody({ ...rest }), init);
}

/** A stream that goes on until it is left: for longer than any test, and no more, since its text is made at once. */
const ENDLESS = { tokens: 2_000, tokenMs: 250 } as const;

/** Requests at the backend that it has not finished. */
const atWork = (backend: SimulatedBackend): number =>
  backend.requests.filter(({ closedAt }) => closedAt === undefined).length;

describe("the cap", () => {
  it("re-17: refuses the 101st in flight with 503, and takes the next when one has ended", async () => {
    const backend = await simulated(ENDLESS);
    const stage = await stageBefore(backend, { plugins: [concurrency()] });
    const controllers = Array.from({ length: 100 }, () => new AbortController());
    const streams = await Promise.all(
      controllers.map(({ signal }) => chat(stage, { stream: true }, { signal })),
    );
    expect(streams.every(({ status }) => status === 200)).toBe(true);
    const refused = await chat(stage);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await errorOf(refused)).toMatchObject({ code: "overloaded", type: "service_unavailable" });
    controllers[0]!.abort();
    await waitFor("a free slot", async () => {
      const next = new AbortController();
      const { status } = await chat(stage, { stream: true }, { signal: next.signal });
      next.abort();
      return status === 200;
    });
    for (const controller of controllers) controller.abort();
    await waitFor("all to have ended", () => stage.ends.length === stage.contexts.length);
    expect(stage.inFlight()).toBe(0);
  });

  it("holds for every operation, streamed or not", async () => {
    const backend = await simulated();
    for (const sample of sampleRequests(MODEL)) {
      const stage = await stageBefore(backend, { plugins: [concurrency({ maxConcurrent: 1 })] });
      for (let i = 1; i <= 3; i++) {
        const reply = await sendSample(stage.url, sample);
        await reply.arrayBuffer();
        expect([sample.operation, reply.status]).toEqual([sample.operation, 200]);
        await stage.ended(i);
      }
    }
  });

  it("refuses before a byte of the body is read", async () => {
    const backend = await simulated(ENDLESS);
    const stage = await stageBefore(backend, { plugins: [concurrency({ maxConcurrent: 1 })] });
    const controller = new AbortController();
    await chat(stage, { stream: true }, { signal: controller.signal });
    const refused = await fetch(`${stage.url}/v1/chat/completions`, { method: "POST", body: "no JSON" });
    expect(refused.status).toBe(503);
    expect((await stage.ended()).bytesIn).toBe(0);
    controller.abort();
  });
});

describe("the queue", () => {
  it("re-17: the second waits for the first's last byte and says so, the third gets 429", async () => {
    const backend = await simulated({ tokens: 20, tokenMs: 10 });
    const stage = await stageBefore(backend, {
      plugins: [concurrency({ maxConcurrent: 1, queue: { maxEntries: 1 } })],
    });
    const first = await chat(stage, { stream: true });
    const second = chat(stage);
    await waitFor("the second to wait", () => stage.contexts.length === 2);
    const third = await chat(stage);
    expect(third.status).toBe(429);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(Number(third.headers.get("x-estimated-wait"))).toBeGreaterThanOrEqual(1);
    expect(await errorOf(third)).toMatchObject({
      code: "rate_limit_exceeded",
      details: { limit: 1, remaining: 0 },
    });
    expect(backend.requests).toHaveLength(1);
    await first.text();
    const served = await second;
    expect(served.status).toBe(200);
    expect(served.headers.get("x-queue-status")).toBe("queued");
    expect(served.headers.get("x-queue-wait-ms")).toMatch(/^\d+$/);
    expect(first.headers.get("x-queue-status")).toBeNull();
  });

  it("re-17: a client that leaves frees its place at once, and nothing of it goes upstream", async () => {
    const backend = await simulated(ENDLESS);
    const stage = await stageBefore(backend, {
      plugins: [concurrency({ maxConcurrent: 1, queue: { maxEntries: 1 } })],
    });
    const [holding, leaving] = [new AbortController(), new AbortController()];
    await chat(stage, { stream: true }, { signal: holding.signal });
    const gone = chat(stage, {}, { signal: leaving.signal });
    await waitFor("it to wait", () => stage.contexts.length === 2);
    leaving.abort();
    await expect(gone).rejects.toThrow("abort");
    expect((await stage.ended()).outcome).toBe("client_abort");
    const next = chat(stage, { max_tokens: 1 });
    await waitFor("the next to wait", () => stage.contexts.length === 3);
    holding.abort();
    expect((await next).status).toBe(200);
    expect(backend.requests).toHaveLength(2);
  });

  it("re-17: a wait that is over, or a deadline that passes, is 504", async () => {
    const backend = await simulated(ENDLESS);
    for (const [config, message] of [
      [{ maxWaitMs: 100 }, "Request timeout after 0.1 seconds in the queue"],
      [{ maxWaitMs: 60_000 }, /^Request timeout after \d(\.\d+)? seconds?/],
    ] as const) {
      const stage = await stageBefore(backend, {
        timeouts: { totalMs: 1_500 },
        plugins: [concurrency({ maxConcurrent: 1, queue: config })],
      });
      const holding = new AbortController();
      await chat(stage, { stream: true }, { signal: holding.signal });
      const late = await chat(stage);
      expect(late.status).toBe(504);
      const error = await errorOf(late);
      expect(error.code).toBe("timeout");
      expect(error.message).toMatch(message);
      holding.abort();
      await waitFor("a free slot", async () => (await chat(stage, { max_tokens: 1 })).status === 200);
    }
  });

  it("never has more than the cap at the backend, and serves all that fit", async () => {
    const backend = await simulated({ firstTokenMs: 5 });
    let most = 0;
    backend.faults = () => {
      most = Math.max(most, atWork(backend));
      return undefined;
    };
    const stage = await stageBefore(backend, {
      plugins: [concurrency({ maxConcurrent: 7, queue: { maxEntries: 1_000 } })],
    });
    expect(await flood([stage.url], 300)).toEqual(new Map([[200, 300]]));
    expect(most).toBeLessThanOrEqual(7);
    expect(most).toBeGreaterThan(1);
  });
});

describe("slots of backends", () => {
  it("ba-13: a full backend is dropped; with all full the answer is 503", async () => {
    const [x, y] = [await simulated(ENDLESS), await simulated(ENDLESS)];
    const stage = await startStage({
      backends: { x: openaiAt(x), y: openaiAt(y) },
      plugins: [balancer({ strategy: "priority" }), concurrency({ slots: 1 })],
    });
    const controllers = [new AbortController(), new AbortController()];
    const replies = [];
    for (const { signal } of controllers) replies.push(await chat(stage, { stream: true }, { signal }));
    expect(replies.map((reply) => reply.headers.get("x-gatewright-backend"))).toEqual(["x", "y"]);
    const refused = await chat(stage);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect((await errorOf(refused)).code).toBe("no_available_instances");
    expect([x.requests.length, y.requests.length]).toEqual([1, 1]);
    controllers[1]!.abort();
    const next = await waitFor("a free slot", async () => {
      const reply = await chat(stage, { max_tokens: 1 });
      return reply.status === 200 ? reply : undefined;
    });
    expect(next.headers.get("x-gatewright-backend")).toBe("y");
    controllers[0]!.abort();
  });
});

describe("shared slots", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it(
    "4 processes on one Redis never have more than the cap at the backend",
    { timeout: 60_000 },
    async () => {
      const backend = await simulated({ firstTokenMs: 10 });
      let most = 0;
      backend.faults = () => {
        most = Math.max(most, atWork(backend));
        return undefined;
      };
      const options = { maxConcurrent: 5, shared: true, name: "four", queue: { maxEntries: 1_000 } };
      const config = {
        plugin: "concurrency",
        options,
        redisUrl: redis.url,
        backendUrl: backend.url,
      } as const;
      const processes = await Promise.all([1, 2, 3, 4].map(() => startGatewayProcess(config)));
      onTestFinished(async () => {
        await Promise.all(processes.map((one) => one.stop()));
      });
      expect(
        await flood(
          processes.map(({ url }) => url),
          200,
        ),
      ).toEqual(new Map([[200, 200]]));
      expect(most).toBeLessThanOrEqual(5);
      // All leases were given back.
      await waitFor(
        "all slots to be free",
        async () => ((await redis.command("KEYS", "*four*")) as string[]).length === 0,
      );
    },
  );

  it(
    "gives the slots of a process that dies back when their leases run out",
    { timeout: 60_000 },
    async () => {
      const backend = await simulated(ENDLESS);
      const options = { maxConcurrent: 1, shared: true, name: "dying", leaseMs: 1_500 };
      const config = {
        plugin: "concurrency",
        options,
        redisUrl: redis.url,
        backendUrl: backend.url,
      } as const;
      const [dying, other] = await Promise.all([startGatewayProcess(config), startGatewayProcess(config)]);
      onTestFinished(() => other.stop());
      const stream = await chat(dying, { stream: true });
      // Longer than a lease, so that it was renewed: the slot is still taken.
      const renewed = Date.now() + 2_000;
      await waitFor("two leases to pass", async () => {
        expect((await chat(other, { max_tokens: 1 })).status).toBe(503);
        return Date.now() > renewed;
      });
      await dying.kill();
      await expect(stream.text()).rejects.toThrow();
      await waitFor("a free slot", async () => (await chat(other, { max_tokens: 1 })).status === 200);
    },
  );

  it.each([
    ["open-local", 200, 503],
    ["open", 200, 200],
    ["closed", 503, 503],
  ] as const)(
    "Z1: while Redis is down, %s answers %d to the first and %d to the second",
    async (onStoreFailure, ...statuses) => {
      const backend = await simulated(ENDLESS);
      const proxy = await startTcpProxy({ host: "127.0.0.1", port: redis.port });
      onTestFinished(() => proxy.close());
      const gateway = await startTestGateway({
        state: { driver: "redis", url: `redis://${proxy.host}:${proxy.port}` },
        backends: { main: openaiAt(backend) },
        plugins: [
          concurrency({
            maxConcurrent: 2,
            shared: true,
            name: onStoreFailure,
            expectedProcesses: 2,
            onStoreFailure,
          }),
        ],
      });
      onTestFinished(() => gateway.close());
      proxy.refuse = true;
      proxy.reset();
      const controllers = [new AbortController(), new AbortController()];
      const replies = [];
      for (const { signal } of controllers) replies.push(await chat(gateway, { stream: true }, { signal }));
      expect(replies.map(({ status }) => status)).toEqual(statuses);
      proxy.refuse = false;
      for (const controller of controllers) controller.abort();
      await waitFor("the store", async () => {
        const { status } = await chat(gateway, { max_tokens: 1 });
        const [leases] = (await redis.command("KEYS", `*${onStoreFailure}*`)) as string[];
        return status === 200 && leases === undefined;
      });
    },
  );
});

describe("a store that lost what it knew", () => {
  it("Z5: learns the slots that are held from their next renewal, and those that end are free", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const backend = await simulated(ENDLESS);
    const gateway = await startTestGateway({
      state: { driver: "redis", url: redis.url, timeoutMs: 5_000 },
      backends: { main: openaiAt(backend) },
      plugins: [concurrency({ maxConcurrent: 2, shared: true, name: "lost", leaseMs: 600 })],
    });
    onTestFinished(() => gateway.close());
    const controllers = [new AbortController(), new AbortController()];
    for (const { signal } of controllers)
      expect((await chat(gateway, { stream: true }, { signal })).status).toBe(200);
    expect((await chat(gateway, { max_tokens: 1 })).status).toBe(503);
    await redis.command("FLUSHALL");
    await waitFor(
      "the renewal",
      async () => ((await redis.command("KEYS", "*lost*")) as string[]).length > 0,
    );
    expect((await chat(gateway, { max_tokens: 1 })).status).toBe(503);
    controllers[0]!.abort();
    await waitFor("a free slot", async () => (await chat(gateway, { max_tokens: 1 })).status === 200);
    controllers[1]!.abort();
    await waitFor(
      "all slots to be free",
      async () => ((await redis.command("KEYS", "*lost*")) as string[]).length === 0,
    );
  });
});
