import fc from "fast-check";
import { createState, GatewayError } from "gatewright";
import type { Attempt, Context, OperationName, Plugin, Reply, Usage } from "gatewright";
import { describe, expect, it } from "vitest";
import { rateLimit } from "@gatewright/rate-limit";
import { createOperations } from "../../plugins/anthropic-api/src/operations.ts";
import {
  createGenerateContent,
  geminiGenerateContent,
} from "../../plugins/gemini-api/src/generate-content.ts";
import { durationText } from "../../plugins/rate-limit/src/headers.ts";
import type { TokenOptions } from "../../plugins/rate-limit/src/options.ts";
import { boundTokens } from "../../plugins/rate-limit/src/token-bound.ts";
import {
  createDispatch,
  createHost,
  createOperation,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
} from "./_context.ts";
import type { FakeHost, FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

type Options = Parameters<typeof rateLimit>[0];

const target = createTarget("x");

const FRONT_DOORS = [...createOperations(() => []), createGenerateContent(() => []), geminiGenerateContent];

/** A gateway of rate limits alone. */
async function open(...plugins: Plugin[]) {
  const host = createHost();
  const middlewares = await setupMiddlewares(plugins, host);
  return {
    host,
    send(request: FakeRequest = {}, dispatch = createDispatch()) {
      const ctx = new FakeContext({ candidates: [target], ...request }, host);
      return { ctx, reply: run(middlewares, ctx, dispatch) };
    },
    /** Statuses of so many requests, one after the other. */
    async statuses(count: number, request?: FakeRequest): Promise<number[]> {
      const statuses: number[] = [];
      for (let i = 0; i < count; i++) statuses.push(await statusOf(this.send(request).reply));
      return statuses;
    },
  };
}

function statusOf(reply: Promise<Reply>): Promise<number> {
  return reply.then(
    ({ status }) => status,
    (error: GatewayError) => error.status,
  );
}

describePlugin({ folder: "rate-limit", factory: "rateLimit", create: () => rateLimit({ rate: 1_000 }) });

describe("admission", () => {
  it("R1: of 50 times as many calls at once exactly the burst is admitted", async () => {
    const gateway = await open(rateLimit({ capacity: 40, rate: 1 }));
    const statuses = await Promise.all(Array.from({ length: 2_000 }, () => statusOf(gateway.send().reply)));
    expect(statuses.filter((status) => status === 200)).toHaveLength(40);
    expect(statuses.filter((status) => status === 429)).toHaveLength(1_960);
  });

  it("li-6: a refusal by one limit takes nothing from the other", async () => {
    const gateway = await open(
      rateLimit({
        limits: [
          { name: "outer", scope: "global", capacity: 10, rate: 1 },
          { name: "inner", scope: "model", capacity: 2, rate: 1 },
        ],
      }),
    );
    expect(await gateway.statuses(5)).toEqual([200, 200, 429, 429, 429]);
    const { ctx } = gateway.send({ model: "another" });
    expect(ctx.vars.rateLimit?.decisions.map(({ name, remaining }) => [name, remaining])).toEqual([
      ["outer", 7],
      ["inner", 1],
    ]);
  });

  it.each([
    ["client-ip", { clientAddress: "203.0.113.1" }, { clientAddress: "203.0.113.2" }],
    ["model", { model: "a" }, { model: "b" }],
    ["operation", { operation: createOperation("chat") }, { operation: createOperation("embeddings") }],
  ] as const)("li-5: two values of %s do not share", async (scope, one, other) => {
    const gateway = await open(rateLimit({ scope, capacity: 1, rate: 1 }));
    expect(await gateway.statuses(2, one)).toEqual([200, 429]);
    expect(await gateway.statuses(2, other)).toEqual([200, 429]);
  });

  it("li-5: two models share the limit of their operation", async () => {
    const gateway = await open(rateLimit({ scope: "operation", capacity: 1, rate: 1 }));
    expect(await gateway.statuses(1, { model: "a" })).toEqual([200]);
    expect(await gateway.statuses(1, { model: "b" })).toEqual([429]);
  });

  it("li-5: two keys do not share, and requests without a principal share one limit", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([rateLimit({ scope: "key", capacity: 1, rate: 1 })], host);
    const as = (id?: string): Promise<number> => {
      const ctx = new FakeContext({ candidates: [target] }, host);
      if (id !== undefined) ctx.principal = { id };
      return statusOf(run(middlewares, ctx));
    };
    expect([await as("a"), await as("a"), await as("b"), await as(), await as()]).toEqual([
      200, 429, 200, 200, 429,
    ]);
  });

  it("a function says who shares, and who is not limited", async () => {
    const gateway = await open(
      rateLimit({ scope: (ctx) => ctx.request.headers["x-team"], capacity: 1, rate: 1 }),
    );
    expect(await gateway.statuses(2, { headers: { "x-team": "red" } })).toEqual([200, 429]);
    expect(await gateway.statuses(3)).toEqual([200, 200, 200]);
  });

  it("li-9: takes an IPv6 client by its /64", async () => {
    const gateway = await open(rateLimit({ capacity: 1, rate: 1 }));
    expect(await gateway.statuses(1, { clientAddress: "2001:db8:0:1::1" })).toEqual([200]);
    expect(await gateway.statuses(1, { clientAddress: "2001:DB8::1:ffff:0:0:2" })).toEqual([429]);
    expect(await gateway.statuses(1, { clientAddress: "2001:db8:0:2::1" })).toEqual([200]);
  });

  it("R5: takes a cost at once, rounded up, and refuses one above the limit for good", async () => {
    const cost = (ctx: { request: { headers: Readonly<Record<string, string | undefined>> } }): number =>
      Number(ctx.request.headers["x-cost"]);
    const gateway = await open(rateLimit({ capacity: 10, rate: 1, cost }));
    const spend = (units: number) => gateway.send({ headers: { "x-cost": String(units) } });
    expect(await statusOf(spend(2.5).reply)).toBe(200);
    expect(await statusOf(spend(8).reply)).toBe(429);
    const { ctx, reply } = spend(0);
    expect(await statusOf(reply)).toBe(200);
    expect(ctx.replyHeaders["x-ratelimit-remaining-requests"]).toBe("7");
    const never = await failureOf(spend(11).reply);
    expect(never).toMatchObject({ status: 429, headers: { "x-should-retry": "false" } });
    expect(never.headers).not.toHaveProperty("retry-after");
    expect(never.message).toBe(
      "Rate limit exceeded: the request may take 11 requests, more than the limit of 10",
    );
    await expect(spend(-1).reply).rejects.toThrow("must be a number of 0 or more, got -1");
    expect(spend(0).ctx.replyHeaders["x-ratelimit-remaining-requests"]).toBe("7");
  });

  it("two limits of one kind count apart, as do two entries of the list", async () => {
    const gateway = await open(rateLimit({ limits: [{ rate: 5 }, { rate: 9 }] }), rateLimit({ rate: 7 }));
    const { ctx } = gateway.send();
    expect(
      ctx.vars.rateLimit?.decisions.map(({ name, limit, remaining }) => [name, limit, remaining]),
    ).toEqual([
      ["requests-per-second-by-client-ip", 5, 4],
      ["requests-per-second-by-client-ip-2", 9, 8],
      ["requests-per-second-by-client-ip-3", 7, 6],
    ]);
  });

  it("in shadow it decides, logs and publishes, and neither refuses nor sets headers", async () => {
    const host = createHost();
    const lines: unknown[] = [];
    Object.assign(host.log, { info: (message: string, fields: object) => lines.push([message, fields]) });
    const middlewares = await setupMiddlewares([rateLimit({ capacity: 1, rate: 1, shadow: true })], host);
    for (const fits of [true, false]) {
      const ctx = new FakeContext({ candidates: [target] }, host);
      expect(await statusOf(run(middlewares, ctx))).toBe(200);
      expect(ctx.replyHeaders).toEqual({});
      expect(ctx.vars.rateLimit?.decisions).toMatchObject([{ fits, shadow: true }]);
    }
    expect(lines).toEqual([
      ["rateLimit would refuse", { requestId: "request-1", limits: ["requests-per-second-by-client-ip"] }],
    ]);
  });
});

describe("headers", () => {
  it("li-14: tells limit, remaining and reset on 200 and 429, and when to come again", async () => {
    const gateway = await open(rateLimit({ capacity: 2, rate: 2, per: "minute" }));
    gateway.host.nowMs = 1_000_000;
    const first = gateway.send();
    await first.reply;
    expect(first.ctx.replyHeaders).toEqual({
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "1",
      "x-ratelimit-reset-requests": "30s",
      "x-ratelimit-limit": "2",
      "x-ratelimit-remaining": "1",
      "x-ratelimit-reset": "1030",
    });
    await gateway.send().reply;
    gateway.host.nowMs += 1_500;
    const refused = gateway.send();
    const error = await failureOf(refused.reply);
    expect(error).toMatchObject({
      code: "rate_limit_exceeded",
      type: "rate_limit_exceeded",
      status: 429,
      message: "Rate limit exceeded",
      headers: { "retry-after": "29", "retry-after-ms": "28500" },
      details: { limit: 2, remaining: 0, reset_at: new Date(1_060_000).toISOString() },
    });
    expect(refused.ctx.replyHeaders).toMatchObject({
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset-requests": "58.5s",
    });
  });

  it("R7: a call after exactly retry-after-ms is admitted, and remaining grows by no more than the refill", async () => {
    const gateway = await open(rateLimit({ capacity: 3, rate: 7 }));
    let remaining = 3;
    for (let i = 0; i < 40; i++) {
      const { ctx, reply } = gateway.send();
      const error = await reply.then(
        () => undefined,
        (error: GatewayError) => error,
      );
      const now = Number(ctx.replyHeaders["x-ratelimit-remaining-requests"]);
      expect(now).toBeGreaterThanOrEqual(0);
      expect(now).toBeLessThanOrEqual(remaining);
      remaining = now;
      if (!error) continue;
      gateway.host.nowMs += Number(error.headers["retry-after-ms"]);
      expect(await gateway.statuses(1)).toEqual([200]);
      remaining = 0;
    }
  });

  it("the tightest limit of each unit speaks, over all entries of the list", async () => {
    const gateway = await open(
      rateLimit({ limits: [{ rate: 50 }, { rate: 3 }, { unit: "tokens", rate: 900_000, per: "minute" }] }),
      rateLimit({ rate: 20, scope: "global" }),
    );
    const { ctx, reply } = gateway.send({ json: { max_tokens: 10 } });
    await reply;
    expect(ctx.replyHeaders).toMatchObject({
      "x-ratelimit-limit-requests": "3",
      "x-ratelimit-remaining-requests": "2",
      "x-ratelimit-limit-tokens": "900000",
    });
  });

  it("of several refusals the last to end says when to come again", async () => {
    const gateway = await open(rateLimit({ limits: [{ rate: 1 }, { rate: 1, per: "minute" }] }));
    await gateway.send().reply;
    expect((await failureOf(gateway.send().reply)).headers["retry-after"]).toBe("60");
  });

  it("standardHeaders adds the IETF pair", async () => {
    const gateway = await open(
      rateLimit({
        limits: [
          { name: "rpm", rate: 60, per: "minute" },
          { name: "day", algorithm: "fixed-window", rate: 1_000, per: "day" },
        ],
        standardHeaders: true,
      }),
    );
    const { ctx } = gateway.send();
    expect(ctx.replyHeaders).toMatchObject({
      "ratelimit-policy": '"rpm";q=60;w=60, "day";q=1000;w=86400',
      ratelimit: '"rpm";r=59;t=1, "day";r=999;t=86400',
    });
  });

  it.each([
    [0, "0s"],
    [12, "12ms"],
    [1_000, "1s"],
    [8_640, "8.64s"],
    [360_000, "6m0s"],
    [86_400, "1m26.4s"],
    [3_600_500, "1h0m0.5s"],
  ])("%d ms is written as %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});

describe("tokens", () => {
  const usage = (totalTokens: number): Usage => ({ inputTokens: totalTokens, outputTokens: 0, totalTokens });

  /** Answers with one attempt, as a backend that reports this. */
  function answering(attempt: Partial<Attempt>, reply: Partial<Reply> = {}) {
    return (ctx: Context): Promise<Reply> => {
      const made: Attempt = {
        number: 1,
        target,
        startedAt: 0,
        status: 200,
        onSettled: (listener) => listener(made),
        ...attempt,
      };
      (ctx.attempts as Attempt[]).push(made);
      return Promise.resolve({ status: 200, headers: {}, body: "four", attempt: made, ...reply });
    };
  }
  const remaining = (ctx: FakeContext): number => Number(ctx.replyHeaders["x-ratelimit-remaining-tokens"]);
  const tokens = (options: Options = {}): Plugin =>
    rateLimit({ unit: "tokens", rate: 90_000, per: "minute", ...options });
  /** A prompt of 100 tokens: a body whose bytes are not at hand is bounded by its length. */
  const request: FakeRequest = {
    json: { max_tokens: 1_000 },
    headers: { "content-length": String(100 * 160) },
  };

  it("reserves the bound of prompt and answer, and settles by what was used", async () => {
    const gateway = await open(tokens());
    const first = gateway.send(request, answering({ usage: usage(300) }));
    expect(remaining(first.ctx)).toBe(90_000 - 1_100);
    await first.reply;
    const second = gateway.send(request);
    expect(remaining(second.ctx)).toBe(90_000 - 300 - 1_100);
  });

  it("li-8: 90,001 tokens used → the next call is refused until the debt has run off", async () => {
    const gateway = await open(tokens());
    await gateway.send(request, answering({ usage: usage(90_001) })).reply;
    const refused = await failureOf(gateway.send({ ...request, json: { max_tokens: 1 } }).reply);
    expect(refused.headers["retry-after-ms"]).toBe(String(Math.ceil(((101 + 1) / 90_000) * 60_000)));
    gateway.host.nowMs += Number(refused.headers["retry-after-ms"]);
    expect(await gateway.statuses(1, { ...request, json: { max_tokens: 1 } })).toEqual([200]);
  });

  it("Q1: admits no more at once than fit as bounds, and spends no more than the limit", async () => {
    const gateway = await open(tokens({ rate: 5_000, per: "minute" }));
    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        statusOf(gateway.send({ json: { max_tokens: 100 } }, answering({ usage: usage(100) })).reply),
      ),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
  });

  it("Q2: spends beyond the limit at most what requests under way use beyond their bound", async () => {
    const gateway = await open(tokens({ rate: 1_000, per: "hour" }));
    const replies = Array.from({ length: 30 }, (_, i) =>
      gateway.send({ json: { max_tokens: 100 } }, answering({ usage: usage(100 + i) })),
    );
    const statuses = await Promise.all(replies.map(({ reply }) => statusOf(reply)));
    const spent = statuses.reduce((sum, status, i) => sum + (status === 200 ? 100 + i : 0), 0);
    const beyond = statuses.reduce((sum, status, i) => sum + (status === 200 ? i : 0), 0);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(spent - 1_000).toBe(beyond);
    const refused = await failureOf(gateway.send({ json: { max_tokens: 1 } }).reply);
    expect(Number(refused.headers["retry-after-ms"])).toBe(Math.ceil(((beyond + 1) / 1_000) * 3_600_000));
  });

  it("Q9: reserves and sends the default maximum, and multiplies by the number of answers", async () => {
    const gateway = await open(tokens({ rate: 900_000 }));
    const operation = createOperation("chat", { answers: (body) => Number(body.get("n") ?? 1) });
    const plain = gateway.send({ operation });
    expect(remaining(plain.ctx)).toBe(900_000 - 4_096);
    expect(plain.ctx.body.json).toEqual({ max_tokens: 4_096 });
    const many = gateway.send({ operation, json: { n: 128 } });
    await plain.reply;
    expect(remaining(many.ctx)).toBe(900_000 - 4_096 - 128 * 4_096);
  });

  it("Q9: counts a huge picture by a constant, not by its bytes", async () => {
    const host = createHost();
    const url = `data:image/png;base64,${"A".repeat(4_000_000)}`;
    const json = {
      model: "m",
      max_tokens: 10,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "what?" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
    };
    const ctx = new FakeContext({ json }, host);
    const text = Buffer.from(JSON.stringify(json));
    ctx.body = { ...ctx.body, bytes: text };
    const { prompt } = boundTokens(ctx, { bytesPerToken: 1, defaultMaxOutput: 0, capOutput: false });
    expect(prompt).toBe(text.length - url.length + 2_048);
  });

  it("in shadow it leaves the body as it came", async () => {
    const gateway = await open(tokens({ shadow: true }));
    const { ctx, reply } = gateway.send({ json: {} });
    await reply;
    expect(ctx.body.json).toEqual({});
  });

  it("reserves no answer for operations that write none, and caps none", async () => {
    const gateway = await open(tokens());
    const { ctx, reply } = gateway.send({ ...request, json: {}, operation: createOperation("embeddings") });
    await reply;
    expect(remaining(ctx)).toBe(90_000 - 100);
    expect(ctx.body.json).toEqual({});
  });

  it.each([
    ["the backend refused", { status: 400 }, 0],
    ["the backend was not reached", { status: undefined, upstream: { kind: "connect", sent: false } }, 0],
    [
      "the backend may have read the prompt",
      { status: undefined, upstream: { kind: "reset", sent: true } },
      100,
    ],
  ] as const)("charges what an attempt cost where %s", async (_case, { status, ...upstream }, charged) => {
    const gateway = await open(tokens());
    const failing = (ctx: Context): Promise<Reply> => {
      const error = new GatewayError("provider_error", upstream);
      const attempt = { number: 1, target, startedAt: 0, status, error, onSettled() {} };
      (ctx.attempts as Attempt[]).push(attempt);
      error.attempt = attempt;
      return Promise.reject(error);
    };
    await failureOf(gateway.send(request, failing).reply);
    const next = gateway.send(request);
    expect(remaining(next.ctx)).toBe(90_000 - charged - 1_100);
  });

  it("charges each billed attempt, and does not believe what cannot be", async () => {
    const gateway = await open(tokens());
    const retried = (ctx: Context): Promise<Reply> => {
      void answering({ usage: usage(200) })(ctx);
      return answering({ usage: usage(1e15) })(ctx);
    };
    await gateway.send(request, retried).reply;
    const next = gateway.send(request);
    // In the place of 10^15 tokens all counts that was reserved.
    expect(remaining(next.ctx)).toBe(90_000 - 200 - 1_100 - 1_100);
  });

  it("charges the prompt's bound and an estimate of the answer where usage was estimated", async () => {
    const gateway = await open(tokens());
    await gateway.send(request, answering({ usage: { ...usage(20), outputTokens: 9, estimated: true } }))
      .reply;
    expect(remaining(gateway.send(request).ctx)).toBe(90_000 - 109 - 1_100);
  });

  it("settles a stream once, at its end", async () => {
    const gateway = await open(tokens());
    const body = { kind: "events", start() {} } as never;
    const estimate = { ...usage(20), outputTokens: 9, estimated: true };
    const first = gateway.send({ ...request, stream: true }, answering({ usage: estimate }, { body }));
    await first.reply;
    const during = gateway.send(request, answering({ usage: usage(0) }));
    expect(remaining(during.ctx)).toBe(90_000 - 2 * 1_100);
    await during.reply;
    first.ctx.finish();
    first.ctx.finish();
    expect(remaining(gateway.send(request).ctx)).toBe(90_000 - 109 - 1_100);
  });

  it.each([
    ["claudeMessages", { max_tokens: 7 }, 7],
    ["generateContent", { generationConfig: { maxOutputTokens: 7 } }, 7],
    ["geminiGenerateContent", { generation_config: { max_output_tokens: 7 } }, 7],
    ["generateContent", { generationConfig: { temperature: 0 } }, 1_000],
    ["generateContent", {}, 1_000],
  ] as const)("Q9: finds the answer's limit of %s in %j", (name, json, output) => {
    const operation = FRONT_DOORS.find((door) => door.name === name);
    const ctx = new FakeContext({ operation, json }, createHost());
    const options = { bytesPerToken: 1, defaultMaxOutput: 1_000, capOutput: true };
    expect(boundTokens(ctx, options as TokenOptions).output).toBe(output);
    if (output === 1_000)
      expect(ctx.body.json).toEqual({
        generationConfig: {
          ...("generationConfig" in json && json.generationConfig),
          maxOutputTokens: 1_000,
        },
      });
    else expect(ctx.body.json).toEqual(json);
  });

  it.each([
    [{ cap: 7 }, { prompt: 0, output: 7 }, { cap: 7 }],
    [{ max_tokens: 7 }, { prompt: 0, output: 50 }, { max_tokens: 7, settings: { most: 50 } }],
    [{ settings: { x: 1 } }, { prompt: 0, output: 50 }, { settings: { x: 1, most: 50 } }],
  ])("Q9: bounds the answer of an operation that a plugin declares in %j", (json, bound, sent) => {
    const parameters = {
      temperature: [],
      outputLimit: [{ within: "settings", name: "most" }, { name: "cap" }],
    };
    const operation = createOperation("forecast" as OperationName, { parameters });
    const ctx = new FakeContext({ operation, json }, createHost());
    const options = { bytesPerToken: 1, defaultMaxOutput: 50, capOutput: true };
    expect(boundTokens(ctx, options as TokenOptions)).toEqual(bound);
    expect(ctx.body.json).toEqual(sent);
  });
});

describe("what counts", () => {
  it("R12: requests that fail count, unless they are not to", async () => {
    const failing = (): Promise<Reply> => Promise.reject(new GatewayError("invalid_request"));
    for (const [countErrors, left] of [
      [true, "8"],
      [false, "9"],
    ] as const) {
      const gateway = await open(rateLimit({ capacity: 10, rate: 1, countErrors }));
      await failureOf(gateway.send({}, failing).reply);
      expect(gateway.send().ctx.replyHeaders["x-ratelimit-remaining"]).toBe(left);
    }
  });

  it("R12: a client that leaves counts", async () => {
    const leaving = (): Promise<Reply> => Promise.reject(new GatewayError("client_closed_request"));
    const gateway = await open(rateLimit({ capacity: 10, rate: 1, countErrors: false }));
    await failureOf(gateway.send({}, leaving).reply);
    expect(gateway.send().ctx.replyHeaders["x-ratelimit-remaining"]).toBe("8");
  });

  it("R12: what a layer before it refuses or answers does not count", async () => {
    const host = createHost();
    const [limit] = await setupMiddlewares([rateLimit({ capacity: 10, rate: 1 })], host);
    const refuse = (): Promise<Reply> => Promise.reject(new GatewayError("invalid_api_key"));
    const hit = (): Promise<Reply> => Promise.resolve({ status: 200, headers: {}, body: "cached" });
    for (const before of [refuse, hit])
      await run([before, limit!], new FakeContext({ candidates: [target] }, host)).catch(() => {});
    const ctx = new FakeContext({ candidates: [target] }, host);
    await run([limit!], ctx);
    expect(ctx.replyHeaders["x-ratelimit-remaining"]).toBe("9");
  });

  it("R12: a cached answer after it counts as a request, and costs no tokens", async () => {
    const gateway = await open(
      rateLimit({ limits: [{ rate: 10 }, { unit: "tokens", rate: 1_000, per: "minute" }] }),
    );
    const hit = (): Promise<Reply> => Promise.resolve({ status: 200, headers: {}, body: "cached" });
    await gateway.send({ json: { max_tokens: 500 } }, hit).reply;
    expect(gateway.send({ json: { max_tokens: 1_000 } }).ctx.replyHeaders).toMatchObject({
      "x-ratelimit-remaining-requests": "8",
      "x-ratelimit-remaining-tokens": "0",
    });
  });
});

describe("options", () => {
  const faults = (options: unknown): string[] =>
    findFaults(rateLimit(options as Options)).map(({ path, message }) => `${path}: ${message}`);

  it("takes every algorithm with its own fields, and the numbers of the parity page by default", () => {
    for (const options of [
      {},
      { algorithm: "token-bucket", capacity: 100, rate: 10, scope: "client-ip" },
      { algorithm: "leaky-bucket", capacity: 5, rate: 1 },
      { algorithm: "sliding-window", rate: 5, windowMs: 1_000 },
      { algorithm: "warm-up", warmUpMs: 600_000 },
      { algorithm: "fixed-window", rate: 1_000, per: "day" },
      { preset: "per-key" },
    ])
      expect(faults(options)).toEqual([]);
    expect(faults(undefined)).toEqual([]);
  });

  it("refuses fields that mean nothing together", () => {
    expect(faults({ algorithm: "fixed-window", capacity: 5 })).toEqual([
      "capacity: `fixed-window` has no `capacity`",
    ]);
    expect(faults({ limits: [{ windowMs: 5 }] })).toEqual([
      "limits.0.windowMs: `token-bucket` has no `windowMs`",
    ]);
    expect(faults({ rate: 5, limits: [{ rate: 5 }] })).toEqual(["rate: Not beside `limits`"]);
    expect(faults({ preset: "per-key", limits: [{}] })).toEqual(["preset: Give either `limits` or `preset`"]);
    expect(faults({ unit: "tokens", cost: 5 })[0]).toMatch(/^cost: /);
    expect(faults({ algorithm: "sliding-window", rate: 20_000 })[0]).toMatch(
      /^rate: .* `approximate: true`$/,
    );
    expect(faults({ limits: [{ scope: "backend" }, { scope: "key" }] })[0]).toMatch(/^limits: /);
    expect(faults({ limits: [{ name: "a" }, { name: "a" }] })).toEqual([
      "limits: Two of the limits are named `a`",
    ]);
    expect(faults({ rate: 0 })).toHaveLength(1);
    expect(faults({ capacity: 1.5 })).toHaveLength(1);
  });

  it("says where in the chain a limit can stand", () => {
    const placeOf = ({ definition: { headersOnly, needs } }: Plugin) => [headersOnly ?? false, needs ?? []];
    expect(placeOf(rateLimit())).toEqual([true, []]);
    expect(placeOf(rateLimit({ scope: "key" }))).toEqual([true, []]);
    expect(placeOf(rateLimit({ scope: "model" }))).toEqual([false, []]);
    expect(placeOf(rateLimit({ unit: "tokens", rate: 9 }))).toEqual([false, []]);
    expect(placeOf(rateLimit({ scope: () => "x" }))).toEqual([false, []]);
    expect(placeOf(rateLimit({ preset: "per-key" }))).toEqual([false, []]);
    expect(placeOf(rateLimit({ scope: "provider" }))).toEqual([false, ["target"]]);
  });

  it("refuses to stand where its scope cannot be known, however the scope came about", async () => {
    const { definition } = rateLimit();
    const plugin = { ...rateLimit(), definition, options: { scope: "model" } };
    await expect(setupMiddlewares([plugin], createHost())).rejects.toThrow(
      "set `scope` and `unit` in the config",
    );
  });

  it("R3: promises exact counts, so that several workers need a store that they share", () => {
    expect(rateLimit().definition.exact).toBe(true);
  });

  it("li-8: the preset limits a key by requests and tokens, a minute and an hour", async () => {
    const gateway = await open(rateLimit({ preset: "per-key" }));
    const { ctx } = gateway.send({ json: { max_tokens: 1 } });
    expect(ctx.vars.rateLimit?.decisions.map(({ name, limit }) => [name, limit])).toEqual([
      ["requests-per-minute-by-key", 60],
      ["requests-per-hour-by-key", 1_000],
      ["tokens-per-minute-by-key", 90_000],
      ["tokens-per-hour-by-key", 1_000_000],
    ]);
    expect((await gateway.statuses(60, { json: { max_tokens: 1 } })).slice(-2)).toEqual([200, 429]);
  });
});

describe("over time", () => {
  it("R7: remaining is never below 0, and grows by no more than the refill since", async () => {
    const events = fc.array(fc.tuple(fc.nat(900), fc.nat(4)), { minLength: 1, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(events, async (events) => {
        const cost = (ctx: Context): number => Number(ctx.request.headers["x-cost"]);
        const gateway = await open(rateLimit({ capacity: 6, rate: 5, cost }));
        let [left, atMs] = [6, 0];
        for (const [pauseMs, units] of events) {
          gateway.host.nowMs += pauseMs;
          const { ctx, reply } = gateway.send({ headers: { "x-cost": String(units) } });
          const error = await reply.then(
            () => undefined,
            (error: GatewayError) => error,
          );
          const remaining = Number(ctx.replyHeaders["x-ratelimit-remaining"]);
          expect(remaining).toBeGreaterThanOrEqual(0);
          // Whole units are told, so that up to one more may have been refilled before.
          const refill = 1 + ((gateway.host.nowMs - atMs) * 5) / 1_000;
          expect(remaining).toBeLessThanOrEqual(Math.min(6, left + refill));
          [left, atMs] = [remaining, gateway.host.nowMs];
          if (!error) continue;
          // In seconds it is no shorter than in milliseconds, and at least one.
          const seconds = Number(error.headers["retry-after"]);
          expect(seconds).toBeGreaterThanOrEqual(1);
          expect(seconds * 1_000).toBeGreaterThanOrEqual(Number(error.headers["retry-after-ms"]));
        }
      }),
      { seed: 77, numRuns: 40 },
    );
  });

  /** What a request of this key may take, by the plugin as it is now. */
  async function stateOf(host: FakeHost, plugin: Plugin, id: string) {
    const [limit] = await setupMiddlewares([plugin], host);
    const ctx = new FakeContext({ candidates: [target], json: { max_tokens: 1 } }, host);
    ctx.principal = { id };
    const status = await statusOf(run([limit!], ctx));
    const [decision] = ctx.vars.rateLimit!.decisions;
    return { status, remaining: decision!.remaining, ctx };
  }

  it("R9: a limit that changes while a key is in debt leaves that debt, neither more nor less", async () => {
    const tokens = (rate: number): Plugin =>
      rateLimit({ name: "owed", unit: "tokens", rate, per: "minute", scope: "key" });
    const host = createHost();
    const [limit] = await setupMiddlewares([tokens(1_000)], host);
    const ctx = new FakeContext({ candidates: [target], json: { max_tokens: 1 } }, host);
    ctx.principal = { id: "debtor" };
    await run([limit!], ctx, (ctx) => {
      const usage = { inputTokens: 6_000, outputTokens: 0, totalTokens: 6_000 };
      const attempt: Attempt = { number: 1, target, startedAt: 0, status: 200, usage, onSettled() {} };
      (ctx.attempts as Attempt[]).push(attempt);
      return Promise.resolve({ status: 200, headers: {}, body: "", attempt });
    });
    ctx.finish();
    // 5,000 too many were used: refused by the old limit, by a lower one and by one that is still too low.
    for (const rate of [1_000, 100, 5_999])
      expect(await stateOf(host, tokens(rate), "debtor")).toMatchObject({ status: 429, remaining: 0 });
    // Of 10,000 a minute 6,000 are used.
    const raised = await stateOf(host, tokens(10_000), "debtor");
    expect(raised.status).toBe(200);
    expect(raised.remaining).toBeLessThanOrEqual(4_000);
    expect(raised.remaining).toBeGreaterThan(3_900);
    // A key that is deleted and made again under its id finds what it used; one of another id starts anew.
    expect(await stateOf(host, tokens(1_000), "debtor")).toMatchObject({ status: 429, remaining: 0 });
    expect((await stateOf(host, tokens(1_000), "renamed")).remaining).toBeGreaterThan(900);
    // Nothing is owed for ever: 6,000 at 1,000 a minute, and then the limit is whole.
    host.nowMs += 6 * 60_000;
    expect((await stateOf(host, tokens(1_000), "debtor")).remaining).toBeGreaterThan(900);
  });

  it("R10: of a hundred times as many clients as are kept the last ones are known, and the busy one", async () => {
    const kept = 1_000;
    const state = await createState({ driver: "memory", maxKeys: kept });
    const host = createHost();
    Object.assign(host, { state });
    let client = "";
    const [limit] = await setupMiddlewares(
      [rateLimit({ rate: 1_000, per: "day", scope: () => client })],
      host,
    );
    const next = (): Promise<Reply> => Promise.resolve({ status: 200, headers: {}, body: "" });
    const stranger = new FakeContext({ candidates: [target] }, host);
    for (let index = 0; index < 100 * kept; index++) {
      client = `client-${index}`;
      void limit!(stranger, next);
      client = "busy";
      if (index % (kept / 2) === 0) void limit!(stranger, next);
    }
    const ask = (id: string): number => {
      client = id;
      const ctx = new FakeContext({ candidates: [target] }, host);
      void limit!(ctx, next);
      return ctx.vars.rateLimit!.decisions[0]!.remaining;
    };
    expect(ask("busy")).toBe(1_000 - 201);
    // From the last one back: whoever is known has used one unit before this one.
    let known = 0;
    while (ask(`client-${100 * kept - 1 - known}`) === 998) known++;
    // One place is the busy one's.
    expect(known).toBe(kept - 1);
    expect(ask("client-0")).toBe(999);
    await state.close();
  });
});

describe("quotas of tokens", () => {
  const bound = { json: { max_tokens: 100 } };

  it("Q6: eight first requests at once of a key that nobody knows get what the limit has", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares(
      [rateLimit({ unit: "tokens", rate: 300, per: "hour", scope: "key" })],
      host,
    );
    const statuses = await Promise.all(
      Array.from({ length: 8 }, () => {
        const ctx = new FakeContext({ candidates: [target], ...bound }, host);
        ctx.principal = { id: "new here" };
        return statusOf(run(middlewares, ctx));
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
  });

  it("Q7: a million calls of one unit take a million, without drift", async () => {
    const host = createHost();
    const [limit] = await setupMiddlewares(
      [rateLimit({ rate: 1_000_000, per: "day", scope: "global" })],
      host,
    );
    const ctx = new FakeContext({ candidates: [target] }, host);
    const next = (): Promise<Reply> => Promise.resolve({ status: 200, headers: {}, body: "" });
    for (let call = 0; call < 999_999; call++) void limit!(ctx, next);
    expect(ctx.replyHeaders["x-ratelimit-remaining"]).toBe("1");
    expect((await limit!(ctx, next)).status).toBe(200);
    expect((await failureOf(limit!(ctx, next))).status).toBe(429);
  }, 60_000);

  it.each([0, -1, null, Number.NaN])("Q7: a limit of %s is refused at the start", (rate) => {
    expect(findFaults(rateLimit({ unit: "tokens", rate: rate as number })).map(({ path }) => path)).toEqual([
      "rate",
    ]);
  });

  it("Q10: a very large balance is reserved from as any other", async () => {
    const gateway = await open(rateLimit({ unit: "tokens", rate: 1_000_000_000, per: "day" }));
    const huge = { json: { max_tokens: 1_000_000 } };
    const running = Array.from({ length: 1_001 }, () => gateway.send(huge, () => new Promise(() => {})));
    expect(running[999]!.ctx.replyHeaders["x-ratelimit-remaining-tokens"]).toBe("0");
    expect((await failureOf(running[1_000]!.reply)).code).toBe("rate_limit_exceeded");
  });
});

describe("who shares a limit", () => {
  it("li-5: all clients, keys, models and operations share a global one", async () => {
    const gateway = await open(rateLimit({ scope: "global", capacity: 2, rate: 1 }));
    const requests: FakeRequest[] = [
      { clientAddress: "203.0.113.1", model: "a" },
      { clientAddress: "203.0.113.2", model: "b" },
      { clientAddress: "203.0.113.3", operation: createOperation("embeddings") },
    ];
    const statuses = [];
    for (const request of requests) statuses.push(await statusOf(gateway.send(request).reply));
    expect(statuses).toEqual([200, 200, 429]);
  });
});
