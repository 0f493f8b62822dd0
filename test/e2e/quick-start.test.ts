/** Calls of the quick starts that people already follow, by curl, as written save host and port. */
import { apiKeys } from "@gatewright/api-keys";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { curl, type CurlReply } from "../_support/curl.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

const KEY = "sk-your-api-key";
const SECONDS = 1;

let ollama: SimulatedBackend;
let openai: SimulatedBackend;
let open: TestGateway;
let keyed: TestGateway;
let hasty: TestGateway;
beforeAll(async () => {
  const local = ["qwen2.5:7b", "llama-3.2-1b", "all-minilm-l6-v2"];
  ollama = await startSimulatedBackend({ dialect: "ollama", models: local });
  openai = await startSimulatedBackend({ dialect: "openai", models: ["text-embedding-ada-002", "tts-1"] });
  const backends = {
    local: { adapter: "ollama", baseURL: ollama.url, models: local },
    cloud: { adapter: "openai", baseURL: `${openai.url}/v1`, models: ["text-embedding-ada-002", "tts-1"] },
  };
  open = await startTestGateway({ backends });
  hasty = await startTestGateway({ backends, timeouts: { totalMs: SECONDS * 1000 } });
  keyed = await startTestGateway({ backends, plugins: [apiKeys({ keys: [{ id: "mine", key: KEY }] })] });
});
afterAll(async () => {
  await open.close();
  await hasty.close();
  await keyed.close();
  await ollama.close();
  await openai.close();
});

const json = { "Content-Type": "application/json" };
const withKey = { ...json, Authorization: `Bearer ${KEY}` };

const question = {
  model: "llama-3.2-1b",
  messages: [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "Hello!" },
  ],
  temperature: 0.7,
  max_tokens: 100,
};

function expectChat(reply: CurlReply, model: string): void {
  expect(reply).toMatchObject({ status: 200, contentType: "application/json" });
  const count = expect.any(Number) as number;
  expect(reply.json()).toMatchObject({
    id: expect.any(String) as string,
    object: "chat.completion",
    created: count,
    model,
    choices: [
      {
        message: { role: "assistant", content: expect.stringMatching(/./) as string },
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: count, completion_tokens: count, total_tokens: count },
  });
  // No envelope around it.
  for (const name of ["success", "data", "errorCode"]) expect(reply.json()).not.toHaveProperty(name);
}

function expectEmbeddings(reply: CurlReply, model: string): void {
  expect(reply.status).toBe(200);
  const { data, ...rest } = reply.json() as { data: { index: number; embedding: number[] }[] };
  expect(rest).toMatchObject({
    object: "list",
    model,
    usage: { prompt_tokens: expect.any(Number) as number },
  });
  expect(data).toHaveLength(1);
  expect(data[0]).toMatchObject({ object: "embedding", index: 0 });
  expect(data[0]!.embedding.length).toBeGreaterThan(1);
  expect(data[0]!.embedding.every((value) => typeof value === "number")).toBe(true);
}

describe("quick start of A", () => {
  it("1: chats without a key", async () => {
    const messages = [{ role: "user", content: "Hello!" }];
    const body = { model: "qwen2.5:7b", messages, max_tokens: 100 };
    expectChat(await curl(`${open.url}/v1/chat/completions`, { headers: json, body }), "qwen2.5:7b");
  });

  it("2: embeds a text", async () => {
    const body = { model: "text-embedding-ada-002", input: "The quick brown fox" };
    expectEmbeddings(await curl(`${open.url}/v1/embeddings`, { headers: json, body }), body.model);
  });

  it("3: saves speech as the backend made it", async () => {
    const body = { model: "tts-1", input: "Hello!", voice: "alloy" };
    const reply = await curl(`${open.url}/v1/audio/speech`, { headers: json, body });
    const direct = await curl(`${openai.url}/v1/audio/speech`, { headers: json, body });
    expect(reply).toMatchObject({ status: 200, contentType: "audio/mpeg" });
    expect(direct.bytes.length).toBeGreaterThan(0);
    expect(reply.bytes.equals(direct.bytes)).toBe(true);
  });
});

describe("quick start of B", () => {
  it("16: chats with a key", async () => {
    const reply = await curl(`${keyed.url}/v1/chat/completions`, { headers: withKey, body: question });
    expectChat(reply, question.model);
  });

  it("17, 22: streams lines of `data: `, the role first, under one id, up to the terminator", async () => {
    const body = { ...question, stream: true };
    const reply = await curl(`${keyed.url}/v1/chat/completions`, { headers: withKey, body });
    expect(reply.status).toBe(200);
    expect(reply.contentType).toMatch(/^text\/event-stream/);
    const lines = reply.text.split("\n").filter((line) => line !== "");
    expect(lines.every((line) => line.startsWith("data: "))).toBe(true);
    expect(lines.at(-1)).toBe("data: [DONE]");
    const chunks = lines.slice(0, -1).map((line) => JSON.parse(line.slice("data: ".length)) as Chunk);
    expect(new Set(chunks.map(({ object }) => object))).toEqual(new Set(["chat.completion.chunk"]));
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: "assistant" });
    expect(chunks[1]!.choices[0]!.delta).toEqual({ content: expect.any(String) as string });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
  });

  it("18: completes a prompt", async () => {
    const body = { model: "llama-3.2-1b", prompt: "Once upon a time", max_tokens: 10 };
    const reply = await curl(`${keyed.url}/v1/completions`, { headers: withKey, body });
    expect(reply.status).toBe(200);
    expect(reply.json()).toMatchObject({ choices: [{ text: expect.stringMatching(/./) as string }] });
  });

  it("19: embeds a text", async () => {
    const body = { model: "all-minilm-l6-v2", input: "Hello!" };
    expectEmbeddings(await curl(`${keyed.url}/v1/embeddings`, { headers: withKey, body }), body.model);
  });

  it("20: lists the models of the calls above", async () => {
    const reply = await curl(`${keyed.url}/v1/models`, { method: "GET", headers: withKey });
    expect(reply.status).toBe(200);
    const { object, data } = reply.json() as { object: string; data: { id: string }[] };
    expect(object).toBe("list");
    expect(data.map(({ id }) => id)).toEqual(expect.arrayContaining(["llama-3.2-1b", "all-minilm-l6-v2"]));
  });

  it("22: answers `stream: false` with one object", async () => {
    const body = { ...question, stream: false };
    expectChat(await curl(`${keyed.url}/v1/chat/completions`, { headers: withKey, body }), question.model);
  });

  it("23: answers 503 when there is no node", async () => {
    const empty = await startTestGateway({ backends: {} });
    try {
      const reply = await curl(`${empty.url}/v1/chat/completions`, { headers: json, body: question });
      expect(reply.status).toBe(503);
      expect(reply.json()).toEqual(error("service_unavailable", "no_nodes", "No available nodes"));
    } finally {
      await empty.close();
    }
  });

  it("23: answers 504 with the seconds of the limit when a backend sleeps past it", async () => {
    ollama.faults = [{ kind: "no_answer" }];
    const reply = await curl(`${hasty.url}/v1/chat/completions`, { headers: json, body: question });
    expect(reply.status).toBe(504);
    expect(reply.json()).toEqual(
      error("gateway_timeout", "timeout", `Request timeout after ${SECONDS} second`),
    );
  });

  it("23: answers 401 to a wrong key", async () => {
    const headers = { ...json, Authorization: "Bearer sk-another-api-key" };
    const reply = await curl(`${keyed.url}/v1/chat/completions`, { headers, body: question });
    expect(reply.status).toBe(401);
    expect(reply.json()).toEqual(error("authentication_error", "invalid_api_key", "Invalid API key"));
  });
});

interface Chunk {
  id: string;
  object: string;
  choices: { delta: Record<string, unknown>; finish_reason: string | null }[];
}

function error(type: string, code: string, message: string) {
  return { error: { message, type, param: null, code } };
}
