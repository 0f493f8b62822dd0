import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { chat, chatStream, errorOf, MODEL, openaiAt, post, simulated, startStage } from "./_stage.ts";

describe("a base URL with a query", () => {
  it("has it go out with every call, the question for models too", async () => {
    const backend = await simulated();
    const baseURL = `${backend.url}/v1/?api-version=3&tier=a%20b`;
    const stage = await startStage({
      backends: { main: openaiAt(backend, { baseURL, models: "discover" }) },
    });
    expect((await chat(stage)).status).toBe(200);
    expect((await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "hello" })).status).toBe(200);
    expect(backend.requests.map(({ path, query }) => `${path}?${query}`).toSorted()).toEqual([
      "/v1/chat/completions?api-version=3&tier=a%20b",
      "/v1/embeddings?api-version=3&tier=a%20b",
      "/v1/models?api-version=3&tier=a%20b",
    ]);
  });

  it("has it go out behind the query that the adapter's path has", async () => {
    const backend = await simulated({ dialect: "gemini" });
    const baseURL = `${backend.url}/v1beta?tier=a`;
    const stage = await startStage({
      backends: { main: { adapter: "gemini", baseURL, apiKey: "k", models: [MODEL] } },
    });
    expect(await chatStream(stage)).toMatch(/data: \[DONE\]\n\n$/);
    expect(backend.requests.map(({ path, query }) => `${path}?${query}`)).toEqual([
      `/v1beta/models/${MODEL}:streamGenerateContent?alt=sse&tier=a`,
    ]);
  });
});

describe("a request that HTTP cannot carry", () => {
  it("is the gateway's fault, not the backend's: 500, nothing sent, not tried again", async () => {
    const careless = defineGatewayPlugin({
      name: "careless",
      options: v.strictObject({}),
      setup: () => ({
        middleware: (ctx, next) => {
          ctx.upstreamHeaders = { "x-note": "two\nlines" };
          return next();
        },
      }),
    });
    const backend = await simulated();
    const stage = await startStage({ backends: { main: openaiAt(backend) }, plugins: [careless()] });
    const reply = await chat(stage);
    expect([reply.status, (await errorOf(reply)).code]).toEqual([500, "internal_error"]);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ outcome, error }) => [outcome, error?.upstream])).toEqual([
      ["rejected", undefined],
    ]);
    expect(backend.requests).toEqual([]);
  });
});
