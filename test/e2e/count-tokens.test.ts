/** Counts of tokens at front doors, by whichever backend counts. */
import { anthropicApi } from "@gatewright/anthropic-api";
import { geminiApi } from "@gatewright/gemini-api";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { CREDENTIAL, errorOf, jsonReply, MODEL, post, scripted, startStage } from "./_stage.ts";
import type { Stage } from "./_stage.ts";

const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
const MESSAGES = {
  model: MODEL,
  system: "Be brief.",
  messages: [{ role: "user", content: "Hello" }],
  tools: [{ name: "get_weather", description: "Weather", input_schema: SCHEMA }],
};
const GENERATE = {
  systemInstruction: { parts: [{ text: "Be brief." }] },
  contents: [{ role: "user", parts: [{ text: "Hello" }] }],
  tools: [
    {
      functionDeclarations: [{ name: "get_weather", description: "Weather", parametersJsonSchema: SCHEMA }],
    },
  ],
};
const COUNTED_BY_GEMINI = {
  generateContentRequest: {
    model: `models/${MODEL}`,
    systemInstruction: { parts: [{ text: "Be brief." }] },
    contents: [{ role: "user", parts: [{ text: "Hello" }] }],
    tools: [
      {
        functionDeclarations: [{ name: "get_weather", description: "Weather", parametersJsonSchema: SCHEMA }],
      },
    ],
  },
};

interface Asked {
  path: string;
  body: JsonObject;
}

/** A gateway before one backend, which counts like this, and what that was asked. */
async function stageOf(
  adapter: string,
  count: unknown,
  status = 200,
): Promise<{ stage: Stage; asked: Asked[] }> {
  const asked: Asked[] = [];
  const { url: baseURL } = await scripted(async (connection) => {
    for (;;) {
      const { path, body } = await connection.readRequest();
      asked.push({ path, body: JSON.parse(body.toString()) as JsonObject });
      await connection.send(jsonReply(count, status));
    }
  });
  const main = { adapter, baseURL, apiKey: CREDENTIAL, models: [MODEL] };
  return { stage: await startStage({ backends: { main }, plugins: [anthropicApi(), geminiApi()] }), asked };
}

function countMessages(stage: Stage, more: JsonObject = {}): Promise<Response> {
  const headers = { "anthropic-version": "2023-06-01" };
  return post(`${stage.url}/v1/messages/count_tokens`, { ...MESSAGES, ...more }, { headers });
}

function countContents(stage: Stage, body: JsonObject): Promise<Response> {
  return post(`${stage.url}/v1beta/models/${MODEL}:countTokens`, body);
}

describe("count_tokens of Anthropic's clients", () => {
  it("is counted by Gemini, instructions and tools with it", async () => {
    const { stage, asked } = await stageOf("gemini", { totalTokens: 31, promptTokensDetails: [] });
    const reply = await countMessages(stage);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({ input_tokens: 31 });
    expect(asked).toEqual([{ path: `/models/${MODEL}:countTokens`, body: COUNTED_BY_GEMINI }]);
  });

  it("goes as it came to a backend that has it", async () => {
    const { stage, asked } = await stageOf("llamacpp", { input_tokens: 9 });
    expect(await (await countMessages(stage)).json()).toEqual({ input_tokens: 9 });
    expect(asked).toEqual([{ path: "/messages/count_tokens", body: MESSAGES }]);
  });

  it("is an error of the backend where that does not count", async () => {
    const { stage } = await stageOf("gemini", {});
    const reply = await countMessages(stage);
    expect(reply.status).toBe(502);
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("is refused where it asks for what only the vendor can count", async () => {
    const { stage, asked } = await stageOf("gemini", { totalTokens: 1 });
    const reply = await countMessages(stage, { mcp_servers: [{ name: "a", url: "https://mcp.example" }] });
    expect(reply.status).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe.each([
  ["anthropic", "/v1/messages/count_tokens"],
  ["llamacpp", "/messages/count_tokens"],
  ["vllm", "/messages/count_tokens"],
])("countTokens of Google's clients before %s", (adapter, path) => {
  it.each([
    ["a whole request", { generateContentRequest: { model: `models/${MODEL}`, ...GENERATE } }],
    ["its members", GENERATE],
    [
      "a whole request in the other spelling, with settings that are not counted",
      {
        generate_content_request: {
          system_instruction: GENERATE.systemInstruction,
          contents: GENERATE.contents,
          tools: GENERATE.tools,
          generationConfig: { temperature: 0.5, maxOutputTokens: 9, stopSequences: ["x"], candidateCount: 2 },
        },
      },
    ],
  ])("is counted, given %s", async (_title, body) => {
    const { stage, asked } = await stageOf(adapter, { input_tokens: 31 });
    const reply = await countContents(stage, body);
    expect(await reply.json()).toEqual({ totalTokens: 31 });
    expect(asked).toEqual([{ path, body: MESSAGES }]);
  });

  it("tells the backend's refusal in Google's words", async () => {
    const { stage } = await stageOf(
      adapter,
      { type: "error", error: { type: "invalid_request_error", message: "no" } },
      400,
    );
    const reply = await countContents(stage, GENERATE);
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { code: 400, status: "INVALID_ARGUMENT" } });
  });
});

it("asks for contents", async () => {
  const { stage, asked } = await stageOf("anthropic", { input_tokens: 1 });
  expect((await countContents(stage, {})).status).toBe(400);
  expect(asked).toEqual([]);
});

it.each(["openai", "ollama", "gpustack"])("is 501 before %s, which does not count", async (adapter) => {
  const { stage, asked } = await stageOf(adapter, {});
  const reply = await countMessages(stage);
  expect(reply.status).toBe(501);
  expect((await countContents(stage, GENERATE)).status).toBe(501);
  expect(asked).toEqual([]);
});

it("has no door of its own", async () => {
  const { stage } = await stageOf("anthropic", { input_tokens: 1 });
  const reply = await post(`${stage.url}/v1/countTokens`, { model: MODEL, messages: [] });
  expect(reply.status).toBe(404);
  expect((await errorOf(reply)).code).toBe("not_found");
});
