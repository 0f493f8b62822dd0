import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { parseLines, post, postForJson, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
beforeAll(async () => {
  backend = await startSimulatedBackend({
    dialect: "ollama",
    models: ["qwen2.5:7b", "tiny:latest"],
    tokens: 4,
    dimensions: 16,
  });
});
afterAll(() => backend.close());

const call = (path: string, body: Json) => postForJson(backend.url + path, { model: "qwen2.5:7b", ...body });
const lines = async (path: string, body: Json) =>
  parseLines(await (await post(backend.url + path, { model: "qwen2.5:7b", ...body })).text());
const messages = [{ role: "user", content: "Hello" }];
const tools = [
  {
    type: "function",
    function: { name: "get_weather", parameters: { properties: { city: { const: "Rome" } } } },
  },
];

describe("/api/chat", () => {
  it("streams NDJSON unless stream is false, ending with done and the counts", async () => {
    const reply = await post(`${backend.url}/api/chat`, { model: "qwen2.5:7b", messages });
    expect(reply.headers.get("content-type")).toBe("application/x-ndjson");
    const sent = parseLines(await reply.text());
    expect(
      sent.slice(0, -1).every(({ done, done_reason }) => done === false && done_reason === undefined),
    ).toBe(true);
    expect(sent.at(-1)).toMatchObject({
      model: "qwen2.5:7b",
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: "stop",
      prompt_eval_count: expect.any(Number),
      eval_count: 4,
    });
  });

  it("answers one object with stream false, with the text of the stream", async () => {
    const joined = (await lines("/api/chat", { messages })).map(({ message }) => message.content).join("");
    expect(await call("/api/chat", { messages, stream: false })).toMatchObject({
      message: { content: joined },
      done: true,
      done_reason: "stop",
    });
  });

  it("calls a tool whole in one line, arguments as an object, and still stops with stop", async () => {
    const sent = await lines("/api/chat", { messages: [{ role: "user", content: "The weather?" }], tools });
    expect(sent).toHaveLength(2);
    expect(sent[0]!.message.tool_calls).toEqual([
      { id: expect.any(String), function: { index: 0, name: "get_weather", arguments: { city: "Rome" } } },
    ]);
    expect(sent[1]).toMatchObject({ done: true, done_reason: "stop" });
  });

  it("answers the result of a tool", async () => {
    const round = [
      ...messages,
      { role: "assistant", content: "", tool_calls: [] },
      { role: "tool", content: "sunny" },
    ];
    const reply = await call("/api/chat", { messages: round, tools, stream: false });
    expect(reply.message.content).toMatch(/^The tool answered sunny, /);
  });

  it("thinks before it answers when asked to", async () => {
    const sent = await lines("/api/chat", { messages, think: true });
    const firstAnswer = sent.findIndex(({ message }) => message.content !== "");
    expect(firstAnswer).toBe(8);
    expect(sent.slice(0, firstAnswer).every(({ message }) => message.thinking)).toBe(true);
    expect(sent.slice(firstAnswer).some(({ message }) => "thinking" in message)).toBe(false);
  });

  it("acknowledges pictures, ends by length, and fits a schema", async () => {
    const picture = [{ role: "user", content: "What?", images: ["AAAA"] }];
    expect((await call("/api/chat", { messages: picture, stream: false })).message.content).toMatch(
      /^I see 1 image/,
    );
    const limited = await call("/api/chat", { messages, stream: false, options: { num_predict: 2 } });
    expect(limited).toMatchObject({ done_reason: "length", eval_count: 2 });
    const format = { type: "object", properties: { a: { const: 1 } } };
    expect(
      JSON.parse((await call("/api/chat", { messages, stream: false, format })).message.content),
    ).toEqual({ a: 1 });
  });

  it("loads a model with no messages and unloads it with keep_alive 0", async () => {
    const loaded = async () =>
      ((await (await fetch(`${backend.url}/api/ps`)).json()) as Json).models.map(
        ({ name }: Json) => name,
      ) as string[];
    expect(await call("/api/chat", { messages: [] })).toMatchObject({ done: true, done_reason: "load" });
    expect(await loaded()).toContain("qwen2.5:7b");
    expect(await call("/api/chat", { messages: [], keep_alive: 0 })).toMatchObject({ done_reason: "unload" });
    expect(await loaded()).not.toContain("qwen2.5:7b");
  });
});

describe("/api/generate", () => {
  it("has the text in response, streamed and not", async () => {
    const sent = await lines("/api/generate", { prompt: "Hello" });
    const whole = await call("/api/generate", { prompt: "Hello", stream: false });
    expect(sent.map(({ response }) => response).join("")).toBe(whole.response);
    expect(whole).not.toHaveProperty("message");
  });
});

describe("embeddings", () => {
  it("come as a list from /api/embed and as one vector from /api/embeddings", async () => {
    const { embeddings, prompt_eval_count } = await call("/api/embed", { input: ["one", "two"] });
    expect(embeddings.map((vector: number[]) => vector.length)).toEqual([16, 16]);
    expect(prompt_eval_count).toBeGreaterThan(0);
    expect((await call("/api/embeddings", { prompt: "one" })).embedding).toEqual(embeddings[0]);
  });
});

describe("models", () => {
  it("are listed, shown, and known without the tag latest", async () => {
    const { models } = (await (await fetch(`${backend.url}/api/tags`)).json()) as Json;
    expect(models.map(({ name }: Json) => name)).toEqual(["qwen2.5:7b", "tiny:latest"]);
    expect((await call("/api/show", {})).capabilities).toContain("tools");
    expect((await call("/api/chat", { model: "tiny", messages, stream: false })).model).toBe("tiny:latest");
  });

  it("that are unknown get 404 with a bare error text", async () => {
    const reply = await post(`${backend.url}/api/chat`, { model: "other", messages });
    expect(reply.status).toBe(404);
    expect(await reply.json()).toEqual({ error: "model 'other' not found" });
  });

  it("that cannot do what is asked get 400", async () => {
    const limited = await startSimulatedBackend({ dialect: "ollama", capabilities: ["completion"] });
    const bodies = [
      { messages, tools },
      { messages, think: true },
      { messages: [{ role: "user", content: "?", images: ["AAAA"] }] },
    ];
    for (const body of bodies) {
      expect((await post(`${limited.url}/api/chat`, { model: "qwen2.5:7b", ...body })).status).toBe(400);
    }
    await limited.close();
  });
});

it("tells what it is and its version", async () => {
  expect(await (await fetch(backend.url)).text()).toBe("Ollama is running");
  expect((await fetch(backend.url, { method: "HEAD" })).status).toBe(200);
  expect(await (await fetch(`${backend.url}/api/version`)).json()).toEqual({ version: expect.any(String) });
});
