import { defineGatewayPlugin } from "gatewright";
import type { ContextVars } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { modelRouting } from "@gatewright/model-routing";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chat, chatStream, errorOf, MODEL, openaiAt, post, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { tally } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "model-routing", factory: "modelRouting", create: () => modelRouting() });

interface Pair {
  stage: Stage;
  one: SimulatedBackend;
  two: SimulatedBackend;
}

/** `one` has all the weight, `two` speaks another adapter; both serve the model. */
async function startPair(rest: Record<string, Record<string, unknown>> = {}): Promise<Pair> {
  const [one, two] = [await simulated(), await simulated({ dialect: "ollama" })];
  const stage = await startStage({
    backends: {
      one: openaiAt(one, { weight: 100, models: [MODEL, "only-one"], ...rest["one"] }),
      two: { adapter: "ollama", baseURL: two.url, models: [MODEL], ...rest["two"] },
    },
    plugins: [modelRouting({ synonyms: { lama: "ollama" } }), balancer()],
  });
  return { stage, one, two };
}

const nameOf = (reply: Response): string | null => reply.headers.get("x-gatewright-backend");

describe("mo-9: provider", () => {
  it.each(["two", "ollama", "lama"])(
    "%s sends the request there, though another has more weight",
    async (provider) => {
      const { stage, two } = await startPair();
      const reply = await chat(stage, { provider });
      expect([reply.status, nameOf(reply)]).toEqual([200, "two"]);
      expect(two.requests.at(-1)!.json).not.toHaveProperty("provider");
    },
  );

  it("is refused with 400 when nobody knows it, with 404 when it has not the model", async () => {
    const { stage, one, two } = await startPair();
    const unknown = await chat(stage, { provider: "nobody" });
    expect([unknown.status, await errorOf(unknown)]).toMatchObject([
      400,
      { code: "invalid_request", param: "provider" },
    ]);
    const elsewhere = await chat(stage, { model: "only-one", provider: "ollama" });
    expect([elsewhere.status, await errorOf(elsewhere)]).toMatchObject([404, { code: "model_not_found" }]);
    expect([...one.requests, ...two.requests]).toEqual([]);
  });

  it("in-2: is somebody else's when it is an object, and passes; null means that it is absent", async () => {
    const { stage, one } = await startPair();
    const provider = { order: ["somebody"] };
    expect((await chat(stage, { provider })).status).toBe(200);
    expect(one.requests.at(-1)!.json).toMatchObject({ provider });
    const reply = await chat(stage, { provider: null });
    expect(reply.status).toBe(200);
    expect(one.requests.at(-1)!.json).not.toHaveProperty("provider");
    expect(Object.keys((await reply.json()) as object)).toEqual(
      Object.keys((await (await chat(stage)).json()) as object),
    );
  });

  it("holds for embeddings and streams too", async () => {
    const { stage, two } = await startPair();
    await chatStream(stage, { provider: "two" });
    const embedded = await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "x", provider: "two" });
    expect([embedded.status, nameOf(embedded)]).toEqual([200, "two"]);
    expect(two.requests).toHaveLength(2);
  });
});

describe("mo-10: providers", () => {
  it("narrows to those listed; one of them unknown is 400, and so is an empty list", async () => {
    const { stage } = await startPair();
    for (let count = 0; count < 3; count++)
      expect(nameOf(await chat(stage, { providers: ["two"] }))).toBe("two");
    for (const providers of [["two", "nobody"], [], "two"]) {
      const refused = await chat(stage, { providers });
      expect([refused.status, (await errorOf(refused)).param]).toEqual([400, "providers"]);
    }
    const wrong = await chat(stage, { providers: ["two"], routing_strategy: "random" });
    expect([wrong.status, (await errorOf(wrong)).param]).toEqual([400, "routing_strategy"]);
  });

  it("load_balance leaves the choice to the balancer: weights 100 and 100 alternate", async () => {
    const { stage } = await startPair({ two: { weight: 100 } });
    const names: (string | null)[] = [];
    for (let count = 0; count < 4; count++)
      names.push(nameOf(await chat(stage, { providers: ["two", "one"], routing_strategy: "load_balance" })));
    expect(tally(names)).toEqual(
      new Map([
        ["one", 2],
        ["two", 2],
      ]),
    );
  });

  it("fallback goes by the order of the list, and on when the first fails", async () => {
    const { stage, one, two } = await startPair();
    const wish = { providers: ["two", "one"], routing_strategy: "fallback" };
    expect(nameOf(await chat(stage, wish))).toBe("two");
    two.faults = () => ({ kind: "status", status: 500 });
    const reply = await chat(stage, wish);
    expect([reply.status, nameOf(reply), reply.headers.get("x-gatewright-attempts")]).toEqual([
      200,
      "one",
      "2",
    ]);
    expect(one.requests.at(-1)!.json).not.toHaveProperty("routing_strategy");
    expect(await chatStream(stage, wish)).toContain("[DONE]");
    expect(stage.inFlight()).toBe(0);
  });

  it.each([400, 404, 422])("fallback does not go on after %i", async (status) => {
    const { stage, one, two } = await startPair();
    two.faults = () => ({ kind: "status", status });
    const reply = await chat(stage, { providers: ["two", "one"], routing_strategy: "fallback" });
    expect(reply.status).toBe(status);
    expect(one.requests).toEqual([]);
  });

  it("fallback gives the last failure when all fail, and goes on after a refused credential and a dead backend", async () => {
    const { stage, one, two } = await startPair();
    const wish = { providers: ["two", "one"], routing_strategy: "fallback" };
    two.faults = () => ({ kind: "status", status: 401 });
    expect(nameOf(await chat(stage, wish))).toBe("one");
    one.faults = () => ({ kind: "status", status: 503 });
    const failed = await chat(stage, wish);
    expect([failed.status, nameOf(failed)]).toEqual([502, "one"]);
    one.faults = [];
    await two.close();
    expect(nameOf(await chat(stage, wish))).toBe("one");
  });

  it("fallback goes on when the account at the first is used up", async () => {
    const { stage, two } = await startPair();
    two.faults = () => ({ kind: "status", status: 402 });
    const wish = { providers: ["two", "one"], routing_strategy: "fallback" };
    expect(nameOf(await chat(stage, wish))).toBe("one");
  });

  it("fallback without providers goes backend by backend, in the order of the config", async () => {
    const { stage, one } = await startPair();
    one.faults = () => ({ kind: "close" });
    expect(nameOf(await chat(stage, { routing_strategy: "fallback" }))).toBe("two");
  });
});

describe("least_cost, least_latency and mo-11 smart", () => {
  const price = (prompt: number) => ({ prompt, completion: prompt });

  it("least_cost takes the cheaper by the prices of the config, and the other when that is all there is", async () => {
    const { stage } = await startPair({ one: { price: price(2e-6) }, two: { price: price(1e-6) } });
    const wish = { routing_strategy: "least_cost" };
    for (let count = 0; count < 3; count++) expect(nameOf(await chat(stage, wish))).toBe("two");
    expect(nameOf(await chat(stage, { ...wish, providers: ["one"] }))).toBe("one");
    // Other requests are balanced as ever.
    expect(nameOf(await chat(stage))).toBe("one");
  });

  it("says to the balancer what counts, with weights 0.3, 0.5 and 0.2 unless given", async () => {
    const seen: ContextVars["preference"][] = [];
    const eye = defineGatewayPlugin({
      name: "eye",
      options: v.strictObject({}),
      needs: ["candidates"],
      setup: () => ({
        middleware: (ctx, next) => {
          seen.push(ctx.vars.preference);
          return next();
        },
      }),
    });
    const backend = await simulated();
    const stage = await startStage({
      backends: { main: openaiAt(backend) },
      plugins: [modelRouting(), eye()],
    });
    await chat(stage, { routing: {} });
    await chat(stage, { routing: { strategy: "smart", preferences: { cost_weight: 1, latency_weight: 0 } } });
    await chat(stage, { routing_strategy: "least_latency" });
    await chat(stage);
    expect(seen).toEqual([
      { strategy: "smart", weights: { cost: 0.3, latency: 0.5, errorRate: 0.2 } },
      { strategy: "smart", weights: { cost: 1, latency: 0, errorRate: 0.2 } },
      { strategy: "least-latency" },
      undefined,
    ]);
    expect(backend.requests.every(({ json }) => !("routing" in (json as object)))).toBe(true);
  });

  it.each([
    { strategy: "clever" },
    { preferences: { cost_weight: -1 } },
    { preferences: { speed_weight: 1 } },
    "smart",
    [[]],
  ])("refuses routing %j with 400", async (routing) => {
    const { stage } = await startPair();
    const refused = await chat(stage, { routing });
    expect([refused.status, await errorOf(refused)]).toMatchObject([400, { param: "routing" }]);
  });
});

describe("mo-14: who answered, and at which cost", () => {
  it("stands in JSON chat replies to requests that used a field, and nowhere else", async () => {
    const { stage } = await startPair({ one: { price: { prompt: 0.00003, completion: 0.00006 } } });
    const reply = (await (await chat(stage, { provider: "one" })).json()) as {
      usage: { prompt_tokens: number; completion_tokens: number };
      provider: unknown;
      cost: unknown;
    };
    const { prompt_tokens: input, completion_tokens: output } = reply.usage;
    expect(reply.provider).toBe("openai");
    expect(reply.cost).toBe((input * 30 + output * 60) / 1e6);
    expect(await (await chat(stage, { provider: "two" })).json()).toMatchObject({
      provider: "ollama",
      cost: null,
    });
    expect(await (await chat(stage)).json()).not.toHaveProperty("cost");
    expect(await chatStream(stage, { provider: "one" })).not.toContain('"cost"');
    const embedded = await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "x", provider: "one" });
    expect(await embedded.json()).not.toHaveProperty("provider");
  });

  it("can be switched off", async () => {
    const backend = await simulated();
    const stage = await startStage({
      backends: { main: openaiAt(backend) },
      plugins: [modelRouting({ annotate: false })],
    });
    expect(await (await chat(stage, { provider: "main" })).json()).not.toHaveProperty("provider");
  });
});
