import { defineGatewayPlugin, defineOperation } from "gatewright";
import type { Plugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import {
  chat,
  chatBody,
  chatStream,
  errorOf,
  MODEL,
  openaiAt,
  post,
  simulated,
  startStage,
} from "./_stage.ts";
import type { Stage } from "./_stage.ts";

interface ModelObject {
  id: string;
  [member: string]: unknown;
}

async function listOf(stage: Pick<Stage, "url">, query = ""): Promise<ModelObject[]> {
  const reply = await fetch(`${stage.url}/v1/models${query}`);
  return ((await reply.json()) as { data: ModelObject[] }).data;
}

async function modelOf(stage: Pick<Stage, "url">, id: string): Promise<ModelObject> {
  return (await fetch(`${stage.url}/v1/models/${id}`)).json() as Promise<ModelObject>;
}

/** A principal that may use these models only. */
function only(...models: string[]): Plugin {
  return defineGatewayPlugin({
    name: "only",
    options: v.strictObject({}),
    headersOnly: true,
    gives: ["principal"],
    setup: () => ({
      middleware: (ctx, next) => {
        ctx.principal = { id: "somebody", allowsModel: (model) => models.includes(model) };
        return next();
      },
    }),
  })();
}

describe("in-14: the model list", () => {
  it("tells of each model what clients of several gateways look for", async () => {
    const backend = await simulated();
    const stage = await startStage({
      backends: {
        main: openaiAt(backend, { vendorPrefixes: [], price: { prompt: 0.00003, completion: 0.00006 } }),
        local: { adapter: "ollama", baseURL: backend.url, models: [MODEL], capabilities: ["tools"] },
      },
      models: {
        [MODEL]: {
          aliases: ["mini"],
          canonicalName: "vendor/mini",
          capabilities: ["vision"],
          maxOutputTokens: 4_096,
        },
      },
    });
    const model = await modelOf(stage, MODEL);
    expect(model).toMatchObject({
      id: MODEL,
      object: "model",
      created: 0,
      owned_by: "openai",
      provider: "openai",
      pricing: { prompt: 0.00003, completion: 0.00006 },
      capabilities: ["vision"],
      max_tokens: 4_096,
      max_input_tokens: null,
      canonical_name: "vendor/mini",
      aliases: ["mini"],
      backends: 2,
      ready: true,
    });
    expect(model["supported_apis"]).toEqual(
      expect.arrayContaining(["chat", "completions", "embeddings", "speech"]),
    );
    expect(model["supported_apis"]).not.toContain("models");
    expect(await modelOf(stage, "mini")).toMatchObject({
      id: "mini",
      canonical_name: "vendor/mini",
      aliases: [MODEL],
    });
    expect((await listOf(stage)).map(({ id }) => id)).toEqual([MODEL, "mini", "vendor/mini"]);
  });

  it("names operations that are served by way of another one", async () => {
    const backend = await simulated();
    const bridged = defineOperation({
      name: "bridged" as "chat",
      method: "POST",
      paths: ["/v1/bridged"],
      dialect: { name: "own", errorBody: () => "", errorEvent: () => "" },
      body: "json",
      reply: "json",
      replaySafe: true,
      bridge: {
        operation: "chat",
        toRequest: (request) => ({ body: request }),
        fromResponse: (reply) => reply,
      },
    });
    const unserved = { ...bridged, name: "unserved" as "chat", paths: ["/v1/unserved"], bridge: undefined };
    const doors = defineGatewayPlugin({
      name: "doors",
      options: v.strictObject({}),
      setup: () => ({ operations: [bridged, defineOperation(unserved)] }),
    });
    const stage = await startStage({ backends: { main: openaiAt(backend) }, plugins: [doors()] });
    const { supported_apis: apis } = await modelOf(stage, MODEL);
    expect(apis).toContain("bridged");
    expect(apis).not.toContain("unserved");
  });

  it("has virtual and prefixed names, once each, and not those of backends that are out", async () => {
    const backend = await simulated();
    const stage = await startStage({
      backends: {
        one: openaiAt(backend, { models: ["a", "b"], vendorPrefixes: ["house", "home"] }),
        two: openaiAt(backend, { models: ["a", "c"], enabled: false, vendorPrefixes: [] }),
      },
      models: {
        best: { targets: [{ backend: "one", model: "a" }] },
        lost: { targets: [{ backend: "two", model: "c" }] },
        "any-*": { targets: [{ backend: "one" }] },
      },
    });
    expect((await listOf(stage)).map(({ id }) => id)).toEqual(["a", "b", "best", "house:a", "house:b"]);
    expect(await modelOf(stage, "house:a")).toMatchObject({ id: "house:a", backends: 1 });
    for (const id of ["c", "lost", "nope"]) {
      const reply = await fetch(`${stage.url}/v1/models/${id}`);
      expect([id, reply.status, (await errorOf(reply)).code]).toEqual([id, 404, "model_not_found"]);
    }
  });

  it("is cut by provider, by its backend's, adapter's or own name, and to what the key may use", async () => {
    const backend = await simulated();
    const backends = {
      one: openaiAt(backend, { models: ["a"], vendorPrefixes: [] }),
      two: { adapter: "ollama", baseURL: backend.url, models: ["b", "x/y:z"] },
    };
    const stage = await startStage({ backends });
    const idsOf = async (query: string): Promise<string[]> =>
      (await listOf(stage, query)).map(({ id }) => id);
    expect(await idsOf("?provider=openai")).toEqual(["a"]);
    expect(await idsOf("?provider=ollama")).toEqual(["b", "x/y:z"]);
    expect(await idsOf("?provider=two")).toEqual(["b", "x/y:z"]);
    expect(await idsOf("?provider=nobody")).toEqual([]);
    const narrow = await startStage({ backends, plugins: [only("b")] });
    expect((await listOf(narrow)).map(({ id }) => id)).toEqual(["b"]);
    expect((await fetch(`${narrow.url}/v1/models/a`)).status).toBe(404);
  });
});

describe("mo-4: names on the way", () => {
  it("mo-8: sends the vendor its own name, and gives the client the one that it asked for", async () => {
    const backend = await simulated();
    const stage = await startStage({ backends: { main: openaiAt(backend, { vendorPrefixes: ["openai"] }) } });
    const asked = `openai:${MODEL}`;
    const reply = await chat(stage, { model: asked });
    expect(await reply.json()).toMatchObject({ model: asked });
    const stream = await chatStream(stage, { model: asked });
    const events = stream.split("\n\n").filter((text) => text.startsWith("data: {"));
    expect(events.map((text) => (JSON.parse(text.slice(6)) as { model: string }).model)).toEqual(
      events.map(() => asked),
    );
    const embedded = await post(`${stage.url}/v1/embeddings`, { model: asked, input: "hi" });
    expect(await embedded.json()).toMatchObject({ model: asked });
    expect(backend.requests.map(({ json }) => (json as { model: string }).model)).toEqual([
      MODEL,
      MODEL,
      MODEL,
    ]);
  });

  it("serves a name within a pattern under that name, and one of a virtual pattern as its target says", async () => {
    const backend = await simulated({ models: ["gpt-4o", "vendor/claude-3"] });
    const stage = await startStage({
      backends: { main: openaiAt(backend, { models: ["gpt-*"] }) },
      models: { "claude-*": { targets: [{ backend: "main", model: "vendor/*" }] } },
    });
    expect(await (await chat(stage, { model: "gpt-4o" })).json()).toMatchObject({ model: "gpt-4o" });
    expect(await (await chat(stage, { model: "claude-3" })).json()).toMatchObject({ model: "claude-3" });
    expect(backend.requests.map(({ json }) => (json as { model: string }).model)).toEqual([
      "gpt-4o",
      "vendor/claude-3",
    ]);
    expect(stage.inFlight()).toBe(0);
  });

  it("mo-2: qwen2.5:7b reaches its backend unchanged; impossible names are 400 and reach none", async () => {
    const backend = await simulated({ models: ["qwen2.5:7b"] });
    const stage = await startStage({ backends: { main: openaiAt(backend, { models: ["qwen2.5:7b"] }) } });
    expect((await chat(stage, { model: "qwen2.5:7b" })).status).toBe(200);
    for (const model of [":a", "a:", "a:b:c"]) {
      const reply = await chat(stage, { model });
      expect(reply.status).toBe(400);
      expect(await errorOf(reply)).toMatchObject({ code: "invalid_request", param: "model" });
    }
    const foreign = await chat(stage, { model: "foo:qwen2.5:7b" });
    expect([foreign.status, (await errorOf(foreign)).code]).toEqual([400, "unknown_provider"]);
    expect(backend.requests).toHaveLength(1);
  });
});

describe("names of operations in the config", () => {
  const backends = { main: { adapter: "openai", baseURL: "http://127.0.0.1:1/v1", models: [MODEL] } };

  it("are refused at the start when nothing has them, with the nearest one", async () => {
    const { when } = await import("gatewright");
    const plugin = only();
    await expect(
      startTestGateway({ backends, plugins: [when({ operations: ["chatt" as "chat"] }, plugin)] }),
    ).rejects.toThrow(/when\.operations\[0\]: there is no operation \\"chatt\\"[^}]*Did you mean `chat`\?/);
    await expect(startTestGateway({ backends, defaultModels: { embedings: MODEL } })).rejects.toThrow(
      /defaultModels\.embedings: there is no operation \\"embedings\\"[^}]*Did you mean `embeddings`\?/,
    );
  });

  it("may be those of a plugin", async () => {
    const { when } = await import("gatewright");
    const door = defineOperation({
      name: "own" as "chat",
      method: "POST",
      paths: ["/v1/own"],
      dialect: { name: "own", errorBody: () => "", errorEvent: () => "" },
      body: "json",
      reply: "json",
      replaySafe: true,
    });
    const doors = defineGatewayPlugin({
      name: "doors",
      options: v.strictObject({}),
      operations: ["own" as "chat"],
      setup: () => ({ operations: [door] }),
    });
    const stage = await startStage({
      backends,
      plugins: [doors(), when({ operations: ["own" as "chat"] }, only()) as never],
    });
    expect((await post(`${stage.url}/v1/own`, chatBody())).status).toBe(501);
  });
});
