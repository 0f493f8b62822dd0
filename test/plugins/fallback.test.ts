import { canonicalJson, defineGatewayPlugin, GatewayError } from "gatewright";
import type { Context, Plugin, Reply, UpstreamFailure } from "gatewright";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { fallback } from "@gatewright/fallback";
import { retry } from "@gatewright/retry";
import { timeout } from "@gatewright/timeout";
import { AnswerCache } from "../../plugins/fallback/src/answer-cache.ts";
import { answerKey } from "../../plugins/fallback/src/answer-key.ts";
import { failureKind } from "../../plugins/fallback/src/failure-kind.ts";
import { Itinerary, placesByKind } from "../../plugins/fallback/src/itinerary.ts";
import type { Fault, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chat, chatStream, errorOf, openaiAt, post, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import {
  createHost,
  createOperation,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
} from "./_context.ts";
import { setupMiddlewares, setupPlugin } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

type Options = Parameters<typeof fallback>[0];

describePlugin({
  folder: "fallback",
  factory: "fallback",
  create: () => fallback({ models: { m: ["other"] }, answer: { message: "Later" }, cache: {} }),
});

function upstreamError(
  status: number,
  fields: { code?: string; message?: string } & Partial<UpstreamFailure> = {},
) {
  const { code, message, ...failure } = fields;
  const passed = [400, 404, 409, 413, 415, 422, 429].includes(status);
  return new GatewayError(passed ? (code ?? "invalid_request") : "provider_error", {
    ...(passed && { status, type: "invalid_request_error" }),
    message,
    upstream: { kind: "status", sent: true, status, code, ...failure },
  });
}

describe("the kind of a failure", () => {
  it.each([
    ["status 500", upstreamError(500)],
    ["status 429", upstreamError(429)],
    ["status 401, the gateway's credential", upstreamError(401)],
    ["no connection", upstreamError(502, { kind: "connect", sent: false })],
    ["a time-out", new GatewayError("timeout", { upstream: { kind: "timeout", sent: true } })],
    ["time over in a queue", new GatewayError("timeout")],
    ["an open breaker", new GatewayError("circuit_breaker_open", { status: 503 })],
    ["no instance left", new GatewayError("no_available_instances")],
    ["no backend online", new GatewayError("no_nodes")],
  ])("is availability for %s", (_, error) => {
    expect(failureKind(error)).toBe("availability");
  });

  it.each([
    ["a code", upstreamError(400, { code: "context_length_exceeded" })],
    [
      "OpenAI's message",
      upstreamError(400, { message: "This model's maximum context length is 8192 tokens." }),
    ],
    [
      "Anthropic's message",
      upstreamError(400, { message: "prompt is too long: 210000 tokens > 200000 maximum" }),
    ],
    [
      "Gemini's message",
      upstreamError(400, {
        message: "The input token count (9) exceeds the maximum number of tokens allowed (8).",
      }),
    ],
    [
      "llama.cpp's message",
      upstreamError(400, { message: "the request exceeds the available context size" }),
    ],
  ])("is the context window by %s", (_, error) => {
    expect(failureKind(error)).toBe("contextWindow");
  });

  it.each([
    ["a code", upstreamError(400, { code: "content_policy_violation" })],
    ["a code in other case", upstreamError(400, { code: "ResponsibleAIPolicyViolation" })],
    [
      "Azure's message",
      upstreamError(400, {
        message: "The response was filtered due to Azure OpenAI's content management policy.",
      }),
    ],
  ])("is the content by %s", (_, error) => {
    expect(failureKind(error)).toBe("contentPolicy");
  });

  it.each([
    [
      "the type `billing_error`",
      new GatewayError("invalid_request", {
        type: "billing_error",
        upstream: { kind: "status", sent: true, status: 400 },
      }),
    ],
    ["429 with a code that says so", upstreamError(429, { code: "insufficient_quota" })],
    ["status 402", upstreamError(402)],
  ])("is the quota for %s", (_, error) => {
    expect(failureKind(error)).toBe("quota");
  });

  it.each([
    ["a bad request", upstreamError(400, { message: "`temperature` is out of range" })],
    ["a missing model", upstreamError(404)],
    ["a conflict", upstreamError(409, { message: "prompt is too long" })],
    ["a refusal by a limit of the gateway", new GatewayError("rate_limit_exceeded", { status: 429 })],
    ["a quota of the gateway", new GatewayError("insufficient_quota", { status: 403 })],
    ["a client that left", new GatewayError("client_closed_request")],
    ["an overloaded gateway", new GatewayError("overloaded")],
    ["a fault of the gateway", new GatewayError("internal_error")],
    ["a code that objects inherit", upstreamError(400, { code: "constructor" })],
  ])("is none for %s", (_, error) => {
    expect(failureKind(error)).toBeUndefined();
  });
});

describe("the itinerary", () => {
  const lists = placesByKind({
    models: { a: ["b", { backend: "x" }, "c"], "*": ["last"] },
    on: { availability: true, quota: false, contextWindow: { a: ["big", "b"] }, contentPolicy: {} },
  });

  it("follows the list in its order, each place once", () => {
    const itinerary = new Itinerary(lists, "a");
    const next = (): unknown => itinerary.next("availability");
    expect([next(), next(), next(), next()]).toEqual(["b", { backend: "x" }, "c", undefined]);
  });

  it("changes to the list of the failure at hand, without visiting a place again", () => {
    const itinerary = new Itinerary(lists, "a");
    expect(itinerary.next("availability")).toBe("b");
    expect(itinerary.next("contextWindow")).toBe("big");
    expect(itinerary.next("contextWindow")).toBeUndefined();
    expect(itinerary.next("availability")).toEqual({ backend: "x" });
  });

  it("has the list of all models for one without its own, but not for itself", () => {
    expect(new Itinerary(lists, "z").next("availability")).toBe("last");
    expect(new Itinerary(lists, "last").next("availability")).toBeUndefined();
    expect(new Itinerary(lists, "constructor").next("contextWindow")).toBeUndefined();
  });

  it("goes nowhere for a cause that is switched off", () => {
    expect(new Itinerary(lists, "a").next("quota")).toBeUndefined();
  });
});

describe("options", () => {
  it.each([
    [{ models: { a: ["a"] } }, "models"],
    [{ models: { a: [{ backend: "" }] } }, "models.a.0.backend"],
    [{ on: { contextwindow: {} } }, "on.contextwindow"],
    [{ answer: {} }, "answer.message"],
    [{ answer: { message: "x", status: 600 } }, "answer.status"],
    [{ cache: { ttlMs: 0 } }, "cache.ttlMs"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(fallback(options as never)).map((fault) => fault.path)).toEqual([path]);
  });

  it("stops the start when a list names a backend that is not there", async () => {
    const plugin = fallback({ models: { a: [{ backend: "nowhere" }] } });
    await expect(setupPlugin(plugin)).rejects.toThrow("models.a.0.backend");
  });
});

describe("the last good answers", () => {
  const REPLY: Reply = { status: 200, headers: { "content-type": "application/json" }, body: '{"ok":true}' };

  function cacheAt(options: Partial<{ ttlMs: number; maxEntries: number; maxEntryBytes: number }> = {}) {
    const host = createHost();
    const defaults = { ttlMs: 300_000, maxEntries: 100, maxEntryBytes: 1_000 };
    const cache = new AnswerCache({ ...defaults, ...options }, () => host.nowMs);
    const ctx = (json: Record<string, unknown>, fields: object = {}): Context =>
      Object.assign(new FakeContext({ json, ...fields }, host));
    return { host, cache, ctx };
  }

  it("re-15: come again with their age, until they are too old", () => {
    const { host, cache, ctx } = cacheAt();
    cache.keep(ctx({ a: 1 }), REPLY);
    host.nowMs = 12_999;
    expect(cache.find(ctx({ a: 1 }))).toEqual({
      status: 200,
      headers: { "content-type": "application/json", "x-gatewright-fallback": "cache", age: "12" },
      body: '{"ok":true}',
    });
    host.nowMs = 300_000;
    expect(cache.find(ctx({ a: 1 }))).toBeUndefined();
  });

  it("re-15: are for the same body, model, operation, principal and tenant only", () => {
    const { cache, ctx } = cacheAt();
    const ask = (fields: object = {}, principal?: Context["principal"]): Context => {
      const asked = ctx({ a: [1, { b: 2, c: "x" }] }, fields);
      asked.principal = principal;
      return asked;
    };
    cache.keep(ask({}, { id: "p", tenant: "t" }), REPLY);
    expect(cache.find(ask({}, { id: "p", tenant: "t" }))).toBeDefined();
    expect(cache.find(ask({}, { id: "q", tenant: "t" }))).toBeUndefined();
    expect(cache.find(ask({}, { id: "p", tenant: "u" }))).toBeUndefined();
    expect(cache.find(ask({}, { id: "", tenant: "tp" }))).toBeUndefined();
    expect(cache.find(ask({}))).toBeUndefined();
    expect(cache.find(ask({ model: "n" }, { id: "p", tenant: "t" }))).toBeUndefined();
    const completions = createOperation("completions");
    expect(cache.find(ask({ operation: completions }, { id: "p", tenant: "t" }))).toBeUndefined();
  });

  it("are the newest for each request, and the least recently used goes first", () => {
    const { cache, ctx } = cacheAt({ maxEntries: 2 });
    cache.keep(ctx({ a: 1 }), REPLY);
    cache.keep(ctx({ a: 2 }), REPLY);
    cache.keep(ctx({ a: 1 }), { ...REPLY, body: "newer" });
    cache.keep(ctx({ a: 3 }), REPLY);
    expect(cache.find(ctx({ a: 1 }))).toMatchObject({ body: "newer" });
    expect(cache.find(ctx({ a: 2 }))).toBeUndefined();
    expect(cache.find(ctx({ a: 3 }))).toBeDefined();
  });

  it("C3: are no streams, no errors and nothing too long", () => {
    const { cache, ctx } = cacheAt({ maxEntryBytes: 3 });
    cache.keep(ctx({ a: 1 }), { ...REPLY, body: "four" });
    cache.keep(ctx({ a: 2 }), { ...REPLY, status: 404, body: "x" });
    cache.keep(ctx({ a: 3 }, { stream: true }), { ...REPLY, body: "x" });
    cache.keep(ctx({ a: 4 }), { ...REPLY, body: "xé" });
    expect([1, 2, 3].map((a) => cache.find(ctx({ a })))).toEqual([undefined, undefined, undefined]);
    expect(cache.find(ctx({ a: 4 }))).toBeDefined();
  });

  it("have the same key exactly when the bodies say the same, however their members are ordered", () => {
    const keyOf = (json: Record<string, unknown>): string =>
      answerKey(new FakeContext({ json }, createHost()));
    const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(
      fc.property(json, json, (left, right) => {
        const reversed = Object.fromEntries(Object.entries(left).reverse());
        expect(keyOf(reversed)).toBe(keyOf(left));
        expect(keyOf(left) === keyOf(right)).toBe(canonicalJson(left) === canonicalJson(right));
      }),
      { seed: 5 },
    );
  });
});

describe("a request that must not be repeated", () => {
  it.each([
    [
      "T5: whose operation is not safe to repeat",
      { operation: createOperation("chat", { replaySafe: false }) },
      {},
    ],
    ["M7: whose body cannot be sent again", { replayable: false }, {}],
    ["U6: whose whole reply broke off after its headers", {}, { kind: "reset", attemptStatus: 200 }],
  ] as const)("stays where it failed: %s", async (_, request, failure) => {
    const host = createHost();
    const middlewares = await setupMiddlewares([fallback({ models: { m: ["other"] } })], host);
    const ctx = new FakeContext({ candidates: [createTarget("x")], ...request }, host);
    let calls = 0;
    const error = upstreamError(502, { kind: "status", ...failure });
    error.attempt = { status: "attemptStatus" in failure ? 200 : undefined } as never;
    const failed = await failureOf(
      run(middlewares, ctx, () => {
        calls++;
        return Promise.reject(error);
      }),
    );
    expect(failed).toBe(error);
    expect(calls).toBe(1);
  });

  it("goes elsewhere all the same when nothing was sent", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([fallback({ models: { m: ["other"] } })], host);
    const operation = createOperation("responses", { replaySafe: false });
    const models: string[] = [];
    const reply = await run(middlewares, new FakeContext({ operation, candidates: [] }, host), (ctx) => {
      models.push(ctx.model);
      if (models.length === 1) return Promise.reject(upstreamError(502, { kind: "connect", sent: false }));
      return Promise.resolve({ status: 200, headers: { "x-own": "1" }, body: "ok" });
    });
    expect(models).toEqual(["m", "other"]);
    expect(reply.headers).toEqual({
      "x-own": "1",
      "x-gatewright-model": "other",
      "x-gatewright-fallback": "model",
    });
  });

  it("goes nowhere after the client left", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares(
      [fallback({ models: { m: ["other"] }, answer: { message: "Later" } })],
      host,
    );
    const ctx = new FakeContext({ candidates: [createTarget("x")] }, host);
    const error = upstreamError(503);
    const failed = await failureOf(
      run(middlewares, ctx, () => {
        ctx.leave();
        return Promise.reject(error);
      }),
    );
    expect(failed).toBe(error);
  });
});

interface Scene {
  readonly stage: Stage;
  readonly main: SimulatedBackend;
  readonly spare: SimulatedBackend;
  readonly large: SimulatedBackend;
}

/** Three backends with a model each: `main`, `spare` and `large`. */
async function scene(
  options: Options,
  { before = [] as Plugin[], after = [] as Plugin[] } = {},
): Promise<Scene> {
  const [main, spare, large] = [
    await simulated({ models: ["main"], text: "from main" }),
    await simulated({ models: ["spare"], text: "from spare" }),
    await simulated({ models: ["large"], text: "from large" }),
  ];
  const stage = await startStage({
    backends: {
      one: openaiAt(main, { models: ["main"] }),
      two: openaiAt(spare, { models: ["spare"] }),
      three: openaiAt(large, { models: ["large"] }),
    },
    timeouts: { totalMs: 5_000 },
    plugins: [...before, fallback(options), ...after, balancer()],
  });
  return { stage, main, spare, large };
}

const DOWN: Fault = { kind: "status", status: 503 };
const always = (fault: Fault) => (): Fault => fault;

function coded(status: number, code: string, message = "No."): Fault {
  return {
    kind: "status",
    status,
    body: { error: { message, type: "invalid_request_error", param: null, code } },
  };
}

async function textOf(response: Response): Promise<string> {
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
  return choices[0]!.message.content;
}

/** Lets the client in, for these models only. */
function principal(...models: string[]): Plugin {
  return defineGatewayPlugin({
    name: "principal",
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware(ctx, next) {
        const id = ctx.request.headers["x-who"] ?? "somebody";
        ctx.principal = { id, allowsModel: (model) => models.length === 0 || models.includes(model) };
        return next();
      },
    }),
  })();
}

describe("another model", () => {
  it("re-10: answers for one that is down, and the reply says which, under the name that was asked for", async () => {
    const { stage, main, spare } = await scene({ models: { main: ["spare"] } });
    main.faults = always(DOWN);
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-gatewright-model")).toBe("spare");
    expect(response.headers.get("x-gatewright-fallback")).toBe("model");
    expect(response.headers.get("x-gatewright-backend")).toBe("two");
    expect(response.headers.has("retry-after")).toBe(false);
    const body = (await response.json()) as { model: string; choices: { message: { content: string } }[] };
    expect(body.model).toBe("main");
    expect(body.choices[0]!.message.content).toBe("from spare");
    expect(spare.requests[0]!.json).toMatchObject({ model: "spare" });
    const end = await stage.ended();
    expect(end.target?.id).toBe("two/spare");
    expect(end.attempts.map(({ target, outcome }) => [target.id, outcome])).toEqual([
      ["one/main", "upstream_error"],
      ["two/spare", "complete"],
    ]);
  });

  it("streams for one that fails before its first content", async () => {
    const { stage, main } = await scene({ models: { main: ["spare"] } });
    main.faults = [{ kind: "cut", afterEvents: 1 }];
    const stream = await chatStream(stage, { model: "main" });
    expect(stream).toContain(" spare");
    expect(stream).not.toContain("from main");
    expect(stream.match(/"model":"main"/g)!.length).toBeGreaterThan(1);
    expect(stream).toMatch(/\[DONE\]\n\n$/);
  });

  it("is not asked while the first answers, nor for the client's own fault", async () => {
    const { stage, main, spare } = await scene({ models: { main: ["spare"] }, answer: { message: "Later" } });
    const good = await chat(stage, { model: "main" });
    expect(good.headers.has("x-gatewright-fallback")).toBe(false);
    main.faults = [coded(400, "invalid_value", "`temperature` is out of range")];
    const bad = await chat(stage, { model: "main" });
    expect(bad.status).toBe(400);
    expect((await errorOf(bad)).message).toBe("`temperature` is out of range");
    expect(spare.requests).toHaveLength(0);
  });

  it("answers after the retries of the first, for 429 too", async () => {
    const { stage, main } = await scene(
      { models: { main: ["spare"] } },
      { after: [retry({ maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0 })] },
    );
    main.faults = always({ kind: "status", status: 429 });
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from spare");
    expect(main.requests).toHaveLength(2);
  });

  it("is the next in the list when one is down as well, or not to be had there", async () => {
    const { stage, main, spare } = await scene({
      models: { "*": ["spare", { backend: "two", model: "large" }, "large"] },
    });
    main.faults = always(DOWN);
    spare.faults = always(DOWN);
    const response = await chat(stage, { model: "main" });
    expect(response.headers.get("x-gatewright-model")).toBe("large");
    expect(await textOf(response)).toBe("from large");
  });

  it("ac-6: is passed over when the principal may not use it", async () => {
    const { stage, main, spare } = await scene(
      { models: { main: ["spare", "large"] } },
      { before: [principal("main", "large")] },
    );
    main.faults = always(DOWN);
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from large");
    expect(spare.requests).toHaveLength(0);
  });

  it("ac-6: leaves the failure as it is when the principal may use none", async () => {
    const { stage, main, spare } = await scene(
      { models: { main: ["spare"] } },
      { before: [principal("main")] },
    );
    main.faults = always(DOWN);
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
    expect(spare.requests).toHaveLength(0);
  });

  it("is a larger one for a prompt that is too long, by a list of its own", async () => {
    const { stage, main, spare } = await scene({
      models: { main: ["spare"] },
      on: { contextWindow: { main: ["large"] } },
    });
    main.faults = always(coded(400, "context_length_exceeded"));
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from large");
    expect(spare.requests).toHaveLength(0);
  });

  it("is a larger one when the fallback is too small for the prompt", async () => {
    const { stage, main, spare } = await scene({
      models: { main: ["spare"] },
      on: { contextWindow: { main: ["large"] } },
    });
    main.faults = always(DOWN);
    spare.faults = always(coded(400, "context_length_exceeded"));
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from large");
  });

  it("does not see content that was refused, unless a list says so", async () => {
    const refused = coded(400, "content_policy_violation", "Refused.");
    const { stage, main, spare } = await scene({ models: { main: ["spare"] } });
    main.faults = always(refused);
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "content_policy_violation", message: "Refused." });
    expect(spare.requests).toHaveLength(0);
    const asked = await scene({ on: { contentPolicy: { main: ["spare"] } } });
    asked.main.faults = always(refused);
    expect(await textOf(await chat(asked.stage, { model: "main" }))).toBe("from spare");
  });

  it("answers when the account of the first is used up, unless that is switched off", async () => {
    const { stage, main } = await scene({ models: { main: ["spare"] } });
    main.faults = always(coded(429, "insufficient_quota"));
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from spare");
    const off = await scene({ models: { main: ["spare"] }, on: { quota: false } });
    off.main.faults = always(coded(429, "insufficient_quota"));
    expect((await errorOf(await chat(off.stage, { model: "main" }))).code).toBe("insufficient_quota");
  });

  it("answers when time limits of the attempt break, in what is left of the deadline", async () => {
    const { stage, main } = await scene(
      { models: { main: ["spare"] } },
      { after: [timeout({ totalMs: 1_000 })] },
    );
    main.faults = always({ kind: "no_answer" });
    expect(await textOf(await chat(stage, { model: "main" }))).toBe("from spare");
  });

  it("goes out with its own failure when it is the last", async () => {
    const { stage, main, spare } = await scene({ models: { main: ["spare"] } });
    main.faults = always(DOWN);
    spare.faults = always({ kind: "status", status: 429, headers: { "retry-after": "7" } });
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("7");
    expect(response.headers.get("x-gatewright-backend")).toBe("two");
  });
});

describe("another backend", () => {
  it("answers with the same model, and with another that it serves", async () => {
    const [main, spare] = [
      await simulated({ models: ["main"] }),
      await simulated({ models: ["main", "small"] }),
    ];
    const stage = await startStage({
      backends: {
        one: openaiAt(main, { models: ["main"] }),
        two: openaiAt(spare, { models: ["main", "small"] }),
      },
      plugins: [
        fallback({ models: { main: [{ backend: "two" }, { backend: "two", model: "small" }] } }),
        balancer({ strategy: "priority" }),
      ],
    });
    main.faults = always(DOWN);
    const same = await chat(stage, { model: "main" });
    expect(same.headers.get("x-gatewright-fallback")).toBe("backend");
    expect(same.headers.get("x-gatewright-model")).toBe("main");
    expect(same.headers.get("x-gatewright-backend")).toBe("two");
    spare.faults = (_, n) => (n === 1 ? DOWN : undefined);
    const other = await chat(stage, { model: "main" });
    expect(other.headers.get("x-gatewright-fallback")).toBe("model");
    expect(other.headers.get("x-gatewright-model")).toBe("small");
  });
});

describe("a prepared answer", () => {
  it("re-14: takes message and status, keeps type and code, and is marked", async () => {
    const { stage, main } = await scene({ answer: { message: "Please come back later" } });
    main.faults = always(DOWN);
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(503);
    expect(response.headers.get("x-gatewright-fallback")).toBe("default");
    expect(await errorOf(response)).toEqual({
      message: "Please come back later",
      type: "provider_error",
      param: null,
      code: "provider_error",
    });
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("re-14: is never given for a 4xx", async () => {
    const { stage, main } = await scene({ answer: { message: "Later" }, cache: {} });
    for (const status of [400, 404, 413, 422, 429]) {
      main.faults = always({ kind: "status", status });
      const response = await chat(stage, { model: "main" });
      expect(response.status).toBe(status);
      expect(response.headers.has("x-gatewright-fallback")).toBe(false);
    }
  });

  it("re-14: has a body of its own, if one is set", async () => {
    const { stage, main } = await scene({
      answer: { message: "Later", status: 200, body: { note: "closed" } },
    });
    main.faults = always(DOWN);
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ note: "closed" });
    // A client that reads events would not know what to make of it.
    const stream = await chat(stage, { model: "main", stream: true });
    expect(stream.status).toBe(503);
    expect((await errorOf(stream)).message).toBe("Later");
  });

  it("re-15: is the last good answer to the same request of the same principal", async () => {
    const { stage, main } = await scene({ cache: {} }, { before: [principal()] });
    const ask = (content: string, who: string): Promise<Response> =>
      post(
        `${stage.url}/v1/chat/completions`,
        { model: "main", messages: [{ role: "user", content }] },
        { headers: { "x-who": who } },
      );
    const good = await (await ask("Hi", "a")).text();
    main.faults = always(DOWN);
    const again = await ask("Hi", "a");
    expect(again.status).toBe(200);
    expect(await again.text()).toBe(good);
    expect(again.headers.get("x-gatewright-fallback")).toBe("cache");
    expect(again.headers.get("age")).toBe("0");
    expect(again.headers.get("content-type")).toContain("application/json");
    expect(again.headers.has("x-gatewright-backend")).toBe(false);
    expect((await ask("Ho", "a")).status).toBe(502);
    expect((await ask("Hi", "b")).status).toBe(502);
  });

  it("comes after other models, the last good answer before the default one", async () => {
    const { stage, main, spare } = await scene({
      models: { main: ["spare"] },
      cache: {},
      answer: { message: "Later" },
    });
    await (await chat(stage, { model: "main" })).text();
    main.faults = always(DOWN);
    const answered = async (rest: object = {}): Promise<string | null> =>
      (await chat(stage, { model: "main", ...rest })).headers.get("x-gatewright-fallback");
    expect(await answered()).toBe("model");
    spare.faults = always(DOWN);
    expect(await answered()).toBe("cache");
    expect(await answered({ temperature: 1 })).toBe("default");
  });

  it("does not hold up a deadline that has passed", async () => {
    const main = await simulated({ models: ["main"], faults: always({ kind: "no_answer" }) });
    const stage = await startStage({
      backends: { one: openaiAt(main, { models: ["main", "main2"] }) },
      timeouts: { totalMs: 1_000 },
      plugins: [fallback({ models: { main: ["main2"] }, answer: { message: "Later" } }), balancer()],
    });
    const response = await chat(stage, { model: "main" });
    expect(response.status).toBe(504);
    expect((await errorOf(response)).message).toBe("Request timeout after 1 second");
    expect(main.requests).toHaveLength(1);
  });
});
