import { defineGatewayPlugin } from "gatewright";
import type { Plugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { anthropicApi } from "@gatewright/anthropic-api";
import { balancer } from "@gatewright/balancer";
import { geminiApi } from "@gatewright/gemini-api";
import { modelMappings } from "@gatewright/model-mappings";
import { startTestGateway } from "../_support/gateway.ts";
import { chat, chatStream, errorOf, MODEL, openaiAt, simulated, startStage } from "../e2e/_stage.ts";
import { findFaults } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({
  folder: "model-mappings",
  factory: "modelMappings",
  create: () => modelMappings({ mappings: [] }),
});

type Mappings = Parameters<typeof modelMappings>[0]["mappings"];

async function startMapped(mappings: Mappings, ...before: Plugin[]) {
  const [one, two] = [
    await simulated({ models: [MODEL, "big"] }),
    await simulated({ models: [MODEL, "big"] }),
  ];
  const stage = await startStage({
    backends: { one: openaiAt(one), two: openaiAt(two, { weight: 0 }) },
    models: { second: { targets: [{ backend: "two", model: MODEL, weight: 1 }] } },
    plugins: [...before, balancer(), modelMappings({ mappings })],
  });
  return { stage, one, two };
}

describe("mo-13: mappings", () => {
  it("put another model in place at their provider, adjust the numbers, and the reply says the source", async () => {
    const { stage, one } = await startMapped([
      {
        model: MODEL,
        provider: "one",
        targetModel: "big",
        temperatureAdjustment: 0.1,
        maxTokensMultiplier: 1.1,
      },
    ]);
    const reply = await chat(stage, { temperature: 0.7, max_tokens: 100, max_completion_tokens: 5 });
    expect(await reply.json()).toMatchObject({ model: MODEL });
    expect(one.requests.at(-1)!.json).toMatchObject({
      model: "big",
      temperature: 0.8,
      max_tokens: 110,
      max_completion_tokens: 5,
    });
    expect(await chatStream(stage)).toContain(`"model":"${MODEL}"`);
    expect(one.requests.at(-1)!.json).not.toHaveProperty("temperature");
    expect(one.requests.at(-1)!.json).not.toHaveProperty("max_tokens");
    expect(stage.inFlight()).toBe(0);
  });

  it.each([
    [1.9, 1, 10, { temperature: 2, max_tokens: 100 }],
    [0.2, -1, 0.001, { temperature: 0, max_tokens: 1 }],
    [1, 0, 0.999, { temperature: 1, max_tokens: 9 }],
  ])(
    "hold temperature %d %+d in 0 to 2 and 10 tokens × %d at 1 or more",
    async (temperature, plus, times, sent) => {
      const { stage, one } = await startMapped([
        {
          model: MODEL,
          provider: "openai",
          targetModel: "big",
          temperatureAdjustment: plus,
          maxTokensMultiplier: times,
        },
      ]);
      await chat(stage, { temperature, max_tokens: 10 });
      expect(one.requests.at(-1)!.json).toMatchObject({ model: "big", ...sent });
    },
  );

  const messages = [{ role: "user", content: "Hi" }];
  const contents = [{ role: "user", parts: [{ text: "Hi" }] }];
  const gemini = `/v1beta/models/${MODEL}:generateContent`;
  it.each([
    ["/v1/completions", { prompt: "Hi", temperature: 0.7, max_tokens: 100 }, "max_tokens"],
    ["/v1/responses", { input: "Hi", temperature: 0.7, max_output_tokens: 100 }, "max_output_tokens"],
    ["/v1/messages", { messages, temperature: 0.7, max_tokens: 100 }, "max_completion_tokens"],
    [
      gemini,
      { contents, generationConfig: { temperature: 0.7, maxOutputTokens: 100, seed: 5 } },
      "max_completion_tokens",
    ],
    [
      gemini,
      { contents, generation_config: { temperature: 0.7, max_output_tokens: 100, seed: 5 } },
      "max_completion_tokens",
    ],
  ])("adjust the parameters of %s, wherever its dialect has them: %j", async (path, request, limit) => {
    const mapping = { model: MODEL, provider: "one", targetModel: "big" };
    const { stage, one } = await startMapped(
      [{ ...mapping, temperatureAdjustment: 0.1, maxTokensMultiplier: 1.1 }],
      anthropicApi(),
      geminiApi(),
    );
    const body = JSON.stringify(path === gemini ? request : { model: MODEL, ...request });
    const headers = { "content-type": "application/json", "anthropic-version": "2023-06-01" };
    const reply = await fetch(stage.url + path, { method: "POST", headers, body });
    expect([reply.status, await reply.text()]).toEqual([200, expect.stringContaining(MODEL)]);
    const { json } = one.requests.at(-1)!;
    expect(json).toMatchObject({ model: "big", temperature: 0.8, [limit]: 110 });
    if (path === gemini) expect(json).toMatchObject({ seed: 5 });
  });

  it("adjust them in the bytes for a backend of the same dialect, and nothing else", async () => {
    const google = await simulated({ dialect: "gemini", models: [MODEL, "big"] });
    const stage = await startStage({
      backends: { google: { adapter: "gemini", baseURL: `${google.url}/v1beta`, models: [MODEL] } },
      plugins: [
        geminiApi(),
        balancer(),
        modelMappings({
          mappings: [{ model: MODEL, provider: "google", targetModel: "big", maxTokensMultiplier: 0.5 }],
        }),
      ],
    });
    const generationConfig = { temperature: 0.7, maxOutputTokens: 101 };
    const reply = await fetch(stage.url + gemini, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ contents, generationConfig }),
    });
    expect([reply.status, await reply.text()]).toEqual([200, expect.stringContaining(MODEL)]);
    expect(google.requests.at(-1)).toMatchObject({
      path: "/v1beta/models/big:generateContent",
      json: { contents, generationConfig: { temperature: 0.7, maxOutputTokens: 50 } },
    });
  });

  it("leave other models, and the same model at another provider, as they are", async () => {
    const { stage, one, two } = await startMapped([
      { model: "second", provider: "one", targetModel: "big" },
      { model: MODEL, provider: "two", targetModel: "big" },
    ]);
    await chat(stage);
    expect(one.requests.at(-1)!.json).toMatchObject({ model: MODEL });
    await chat(stage, { model: "second" });
    expect(two.requests.at(-1)!.json).toMatchObject({ model: MODEL });
  });

  it("that name the backend come before those that name its provider", async () => {
    const { stage, one } = await startMapped([
      { model: MODEL, provider: "openai", targetModel: "wrong" },
      { model: MODEL, provider: "one", targetModel: "big" },
    ]);
    await chat(stage);
    expect(one.requests.at(-1)!.json).toMatchObject({ model: "big" });
  });

  it("ac-6: refuse a key that may not use the new model, before anything goes out", async () => {
    const narrow = defineGatewayPlugin({
      name: "narrow",
      options: v.strictObject({}),
      headersOnly: true,
      setup: () => ({
        middleware: (ctx, next) => {
          ctx.principal = { id: "somebody", allowsModel: (model) => model === MODEL };
          return next();
        },
      }),
    });
    const { stage, one } = await startMapped(
      [{ model: MODEL, provider: "one", targetModel: "big" }],
      narrow(),
    );
    const refused = await chat(stage);
    expect([refused.status, (await errorOf(refused)).code]).toEqual([403, "model_not_allowed"]);
    expect(one.requests).toEqual([]);
  });

  it("are refused at the start when they are twins, or their provider is unknown", async () => {
    const mapping = { model: "a", provider: "b", targetModel: "c" };
    expect(
      findFaults(modelMappings({ mappings: [mapping, { ...mapping, targetModel: "d" }] })),
    ).toMatchObject([{ path: "mappings", message: "a list with one mapping for each model and provider" }]);
    const backends = { one: { adapter: "openai", baseURL: "http://127.0.0.1:1/v1", models: ["a"] } };
    await expect(
      startTestGateway({ backends, plugins: [modelMappings({ mappings: [mapping] })] }),
    ).rejects.toThrow("mappings[0].provider must be the name of a backend, an adapter or a provider");
  });
});
