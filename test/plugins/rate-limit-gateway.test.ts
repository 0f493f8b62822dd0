/** Rate limits through real gateways, sockets and stores. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { cache } from "@gatewright/cache";
import { hedge } from "@gatewright/hedge";
import { rateLimit } from "@gatewright/rate-limit";
import { resolveConfig } from "gatewright";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { sampleRequests, sendSample } from "../e2e/_requests.ts";
import { chat, errorOf, MODEL, openaiAt, simulated, startStage, stageBefore } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { startRedis } from "../_support/redis.ts";
import type { TestRedis } from "../_support/redis.ts";
import { flood, startGatewayProcess } from "./_flood.ts";

let redis: TestRedis;
let backend: SimulatedBackend;

beforeAll(async () => {
  redis = await startRedis();
  backend = await startSimulatedBackend({ dialect: "openai", models: [MODEL] });
});
afterAll(async () => {
  await backend.close();
  await redis.stop();
});

/** 500 at once; a test is too short for a refill. */
const FIVE_HUNDRED = { capacity: 500, rate: 1, per: "day" } as const;
const EXACTLY_500 = new Map([
  [200, 500],
  [429, 1_500],
]);

async function stateOf(driver: "memory" | "file" | "redis"): Promise<Record<string, unknown>> {
  if (driver === "memory") return { driver };
  if (driver === "redis") return { driver, url: redis.url, timeoutMs: 5_000 };
  const dir = await mkdtemp(join(tmpdir(), "gatewright-limits-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return { driver, dir };
}

describe("exactness", () => {
  it.each(["memory", "file", "redis"] as const)(
    "R1: of 2,000 requests at once against 500, exactly 500 pass on %s",
    async (driver) => {
      const state = await stateOf(driver);
      const gateway = await startTestGateway({
        state,
        backends: { main: openaiAt(backend) },
        plugins: [rateLimit(FIVE_HUNDRED)],
      });
      try {
        expect(await flood([gateway.url], 2_000)).toEqual(EXACTLY_500);
      } finally {
        await gateway.close();
      }
    },
  );

  it(
    "li-6: of 2,000 requests at once over 4 processes on one Redis, exactly 500 pass",
    { timeout: 120_000 },
    async () => {
      const rounds = Number(process.env["RATE_LIMIT_ROUNDS"] ?? 2);
      for (let round = 1; round <= rounds; round++) {
        const config = {
          plugin: "rate-limit",
          options: { ...FIVE_HUNDRED, name: `round-${round}` },
          redisUrl: redis.url,
          backendUrl: backend.url,
        } as const;
        const processes = await Promise.all([1, 2, 3, 4].map(() => startGatewayProcess(config)));
        try {
          const urls = processes.map(({ url }) => url);
          expect(await flood(urls, 2_000)).toEqual(EXACTLY_500);
        } finally {
          await Promise.all(processes.map((one) => one.stop()));
        }
      }
    },
  );

  it("R10: every key in Redis has a time to live", async () => {
    const gateway = await startTestGateway({
      state: await stateOf("redis"),
      backends: { main: openaiAt(backend) },
      plugins: [
        rateLimit({
          limits: [{ rate: 5 }, { algorithm: "warm-up" }, { algorithm: "fixed-window", per: "day" }],
        }),
      ],
    });
    try {
      await flood([gateway.url], 20);
      const keys = (await redis.command("KEYS", "*rate-limit*")) as string[];
      expect(keys.length).toBeGreaterThanOrEqual(3);
      for (const key of keys) expect(await redis.command("PTTL", key)).toBeGreaterThan(0);
      // Nothing that a client chose stands in a key.
      expect(keys.join()).not.toContain("127.0.0.1");
    } finally {
      await gateway.close();
    }
  });

  it("R3: several workers on memory or file state are refused, naming the plugin", async () => {
    for (const state of [{ driver: "memory" }, { driver: "file", dir: "state" }]) {
      const resolved = await resolveConfig(
        {
          server: { workers: 2 },
          state,
          backends: { main: openaiAt(backend) },
          plugins: [rateLimit()],
        },
        { dir: tmpdir() },
      );
      expect(resolved.ok).toBe(false);
      if (!resolved.ok) expect(resolved.faults[0]!.message).toMatch(/^`rate-limit` promises exact counts/);
    }
  });
});

describe("file state", () => {
  it("R3: a second process on the same folder does not start", async () => {
    const config = {
      state: await stateOf("file"),
      backends: { main: openaiAt(backend) },
      plugins: [rateLimit()],
    };
    const first = await startTestGateway(config);
    try {
      await expect(startTestGateway(config)).rejects.toThrow();
    } finally {
      await first.close();
    }
    await (await startTestGateway(config)).close();
  });

  it("R3: what was used is still used after a restart", async () => {
    const state = await stateOf("file");
    for (const status of [200, 429]) {
      const gateway = await startTestGateway({
        state,
        backends: { main: openaiAt(backend) },
        plugins: [rateLimit({ rate: 1, per: "day" })],
      });
      expect(await flood([gateway.url], 1)).toEqual(new Map([[status, 1]]));
      await gateway.close();
    }
  });
});

describe("every operation", () => {
  const samples = sampleRequests(MODEL);

  it.each(
    samples.map((sample) => [`${sample.operation}${sample.stream ? ", streamed" : ""}`, sample] as const),
  )(
    "li-14: %s carries the headers, and the second is refused in the client's dialect",
    async (_name, sample) => {
      const stage = await stageBefore(backend, { plugins: [rateLimit({ rate: 1, per: "day" })] });
      const first = await sendSample(stage.url, sample);
      await first.arrayBuffer();
      expect(first.status).toBe(200);
      expect(first.headers.get("x-ratelimit-limit-requests")).toBe("1");
      expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("0");
      expect(first.headers.get("x-ratelimit-reset-requests")).toMatch(/^(24h0m0s|23h59m[\d.]+s)$/);
      expect(Number(first.headers.get("x-ratelimit-reset"))).toBeGreaterThan(Date.now() / 1_000);
      const second = await sendSample(stage.url, sample);
      expect(second.status).toBe(429);
      expect(second.headers.get("x-ratelimit-remaining")).toBe("0");
      expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(86_000);
      expect(await errorOf(second)).toMatchObject({
        code: "rate_limit_exceeded",
        type: "rate_limit_exceeded",
        message: "Rate limit exceeded",
        details: { limit: 1, remaining: 0 },
      });
    },
  );

  it("li-14: errors of the backend carry the headers too", async () => {
    const failing = await simulated({ faults: [{ kind: "status", status: 400 }] });
    const stage = await stageBefore(failing, { plugins: [rateLimit({ rate: 5 })] });
    const reply = await chat(stage);
    expect(reply.status).toBe(400);
    expect(reply.headers.get("x-ratelimit-remaining")).toBe("4");
  });
});

describe("where it stands in the list", () => {
  const bad = { headers: { authorization: "Bearer wrong" } };
  const keys = apiKeys({ keys: [{ id: "tester", key: "sk-rate-limit-0123456789abcdef" }] });

  it("R12: before the keys it counts failed authentication, after them not", async () => {
    const before = await stageBefore(backend, { plugins: [rateLimit({ rate: 2, per: "day" }), keys] });
    const after = await stageBefore(backend, { plugins: [keys, rateLimit({ rate: 2, per: "day" })] });
    const statuses = async (stage: Stage) => [
      (await chat(stage, {}, bad)).status,
      (await chat(stage, {}, bad)).status,
      (await chat(stage, {}, bad)).status,
    ];
    expect(await statuses(before)).toEqual([401, 401, 429]);
    expect(await statuses(after)).toEqual([401, 401, 401]);
  });

  it("R12: before the cache it counts hits, after it not; refused requests and the backend's count both ways", async () => {
    const limit = rateLimit({ rate: 100, per: "day" });
    const remaining = async (stage: Stage, body: Record<string, unknown>): Promise<number> => {
      await (await chat(stage, body)).text();
      const left = await chat(stage, { seed: 7 });
      await left.text();
      return Number(left.headers.get("x-ratelimit-remaining"));
    };
    const before = await stageBefore(backend, { plugins: [limit, cache()] });
    const after = await stageBefore(backend, { plugins: [cache(), limit] });
    for (const [stage, hits] of [
      [before, 1],
      [after, 0],
    ] as const) {
      const exact = { temperature: 0 };
      expect(await remaining(stage, exact)).toBe(98);
      expect(await remaining(stage, exact)).toBe(98 - 1 - hits);
    }
    const failing = await simulated({ faults: [{ kind: "status", status: 422 }] });
    const stage = await stageBefore(failing, { plugins: [limit] });
    expect(await remaining(stage, {})).toBe(98);
    // No JSON, and a model that nobody has: refused here, and counted.
    expect(await remaining(stage, { messages: "none" })).toBe(96);
    expect(await remaining(stage, { model: "nobody's" })).toBe(94);
  });

  it("refuses before a byte of the body is read, where headers suffice", async () => {
    const stage = await stageBefore(backend, {
      plugins: [rateLimit({ rate: 1, per: "day", scope: "global" })],
    });
    await chat(stage);
    const refused = await fetch(`${stage.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{ this is no JSON",
    });
    expect(refused.status).toBe(429);
    expect((await stage.ended(2)).bytesIn).toBe(0);
  });
});

describe("limits of targets", () => {
  const two = (x: SimulatedBackend, y: SimulatedBackend) => ({ x: openaiAt(x), y: openaiAt(y) });

  it("ba-13: a backend without room is dropped, and one unit is taken of the other", async () => {
    const [x, y] = [await simulated(), await simulated()];
    const stage = await startStage({
      backends: two(x, y),
      plugins: [balancer({ strategy: "priority" }), rateLimit({ scope: "backend", rate: 2, per: "day" })],
    });
    const replies = [];
    for (let i = 0; i < 4; i++) replies.push(await chat(stage));
    expect(replies.map((reply) => reply.headers.get("x-gatewright-backend"))).toEqual(["x", "x", "y", "y"]);
    expect(replies.map((reply) => reply.headers.get("x-ratelimit-remaining"))).toEqual(["1", "0", "1", "0"]);
    expect([x.requests.length, y.requests.length]).toEqual([2, 2]);
  });

  it("li-7: with no room anywhere it answers 503, and says when there will be", async () => {
    const [x, y] = [await simulated(), await simulated()];
    const stage = await startStage({
      backends: two(x, y),
      plugins: [balancer(), rateLimit({ scope: "backend", rate: 1, per: "hour" })],
    });
    await chat(stage);
    await chat(stage);
    const refused = await chat(stage);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(3_500);
    expect(await errorOf(refused)).toMatchObject({
      code: "no_available_instances",
      type: "service_unavailable",
      message: "All service instances are unavailable",
    });
    expect(x.requests.length + y.requests.length).toBe(2);
  });

  it("gives a unit back when a later layer refuses the target", async () => {
    const stage = await stageBefore(backend, {
      plugins: [
        balancer(),
        rateLimit({ scope: "backend", rate: 10, per: "day" }),
        rateLimit({ scope: "provider", rate: 1, per: "day" }),
      ],
    });
    const first = await chat(stage);
    expect((await chat(stage)).status).toBe(503);
    expect((await chat(stage)).status).toBe(503);
    expect(first.headers.get("x-ratelimit-limit")).toBe("1");
    const decisions = stage.contexts.at(-1)!.vars.rateLimit!.decisions;
    expect(decisions.map(({ remaining }) => remaining)).toEqual([8, 0]);
  });

  it("li-7: of two ways of a hedged request each is charged for its own attempt alone", async () => {
    const [x, y] = [await simulated(), await simulated()];
    const stage = await startStage({
      backends: two(x, y),
      plugins: [
        hedge({ afterMs: 20 }),
        balancer({ strategy: "priority" }),
        // Gives nothing back while the test runs.
        rateLimit({
          scope: "backend",
          unit: "tokens",
          algorithm: "sliding-window",
          rate: 10_000,
          per: "hour",
        }),
      ],
    });
    const left = (): number => stage.contexts.at(-1)!.vars.rateLimit!.decisions[0]!.remaining;
    x.faults = [{ kind: "no_answer" }];
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("y");
    await stage.ended();
    // Both began with a whole limit, of which the same was reserved.
    const before = left();
    x.faults = [];
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("x");
    // The backend that was given up may have read the prompt, whose bytes bound its tokens.
    expect(before - left()).toBe(stage.contexts[0]!.body.bytes!.length);
  });

  it("refuses a limit by backend that is listed before the balancer, saying what to move", async () => {
    const resolved = await resolveConfig(
      { backends: { main: openaiAt(backend) }, plugins: [rateLimit({ scope: "backend" }), balancer()] },
      { dir: tmpdir() },
    );
    expect(resolved.ok).toBe(false);
    if (!resolved.ok) expect(resolved.faults[0]!.hint).toMatch(/^Move `balancer`/);
  });
});

describe("tokens", () => {
  const plugins = [rateLimit({ unit: "tokens", rate: 100_000, per: "day" })];
  const remaining = (reply: Response): number => Number(reply.headers.get("x-ratelimit-remaining-tokens"));
  /** What the next request finds. */
  async function left(stage: Stage): Promise<number> {
    const reply = await chat(stage, { max_tokens: 1 });
    await reply.text();
    return remaining(reply) + JSON.stringify(stage.contexts.at(-1)!.body.json).length + 1;
  }

  it.each([false, true])("settles by the usage that the backend reports (stream: %s)", async (stream) => {
    const stage = await stageBefore(backend, { plugins });
    const first = await chat(stage, { stream, max_tokens: 1_000 });
    await first.text();
    const { usage } = await stage.ended();
    expect(usage!.totalTokens).toBeGreaterThan(0);
    expect(remaining(first)).toBeLessThan(99_000);
    expect(await left(stage)).toBe(100_000 - usage!.totalTokens);
  });

  it("Q9: sends the maximum that it reserved, where the client names none", async () => {
    const own = await simulated();
    const stage = await stageBefore(own, { plugins });
    await (await chat(stage)).text();
    expect(own.requests.at(-1)!.json).toMatchObject({ max_tokens: 4_096 });
    await (await chat(stage, { max_completion_tokens: 7 })).text();
    expect(own.requests.at(-1)!.json).not.toHaveProperty("max_tokens");
  });

  it("settles what was produced when the client leaves in the middle", async () => {
    const slow = await simulated({ tokens: 1_000, tokenMs: 5 });
    const stage = await stageBefore(slow, { plugins });
    const controller = new AbortController();
    const reply = await chat(stage, { stream: true, max_tokens: 50_000 }, { signal: controller.signal });
    const reader = reply.body!.getReader();
    await reader.read();
    await reader.read();
    controller.abort();
    await stage.ended();
    const afterAbort = await left(stage);
    expect(afterAbort).toBeGreaterThan(98_000);
    expect(afterAbort).toBeLessThan(100_000);
  });

  it("settles what was produced when the backend breaks off, and nothing when it refuses", async () => {
    const broken = await simulated({
      faults: [
        { kind: "cut", afterEvents: 5 },
        { kind: "status", status: 429 },
      ],
    });
    const stage = await stageBefore(broken, { plugins });
    await (await chat(stage, { stream: true, max_tokens: 50_000 })).text();
    await stage.ended();
    const afterCut = await left(stage);
    expect(afterCut).toBeGreaterThan(99_000);
    expect(afterCut).toBeLessThan(100_000);
    await stage.ended(2);
    expect(await left(stage)).toBe(afterCut);
  });
});
