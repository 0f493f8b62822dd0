import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { post, postForChunks, postForJson, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
let v1: string;
beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", models: ["m", "vendor/m:1"], dimensions: 64 });
  v1 = `${backend.url}/v1`;
});
afterAll(() => backend.close());

describe("completions", () => {
  it("give one choice a prompt, streamed and not, with the same text", async () => {
    const body = { model: "m", prompt: ["one", "two"] };
    const whole = await postForJson(`${v1}/completions`, body);
    expect(whole).toMatchObject({ object: "text_completion", choices: [{ index: 0 }, { index: 1 }] });
    const chunks = await postForChunks(`${v1}/completions`, body);
    for (const index of [0, 1]) {
      const own = chunks.filter(({ choices }) => choices[0].index === index);
      expect(own.map(({ choices }) => choices[0].text).join("")).toBe(whole.choices[index].text);
      expect(own.at(-1)!.choices[0].finish_reason).toBe("length");
    }
  });

  it("take tokens for a prompt and count every prompt once", async () => {
    const usage = async (prompt: unknown, n = 1) =>
      (await postForJson(`${v1}/completions`, { model: "m", prompt, n, max_tokens: 2 })).usage;
    const one = await usage([1, 2, 3]);
    expect(await usage([1, 2, 3], 3)).toMatchObject({
      prompt_tokens: one.prompt_tokens,
      completion_tokens: 6,
    });
    expect(
      (
        await usage([
          [1, 2, 3],
          [1, 2, 3],
        ])
      ).prompt_tokens,
    ).toBe(2 * one.prompt_tokens);
  });

  it("add usage to a stream only when asked", async () => {
    const body = { model: "m", prompt: "one" };
    const asked = { ...body, stream_options: { include_usage: true } };
    expect((await postForChunks(`${v1}/completions`, asked)).at(-1)).toMatchObject({
      choices: [],
      usage: {},
    });
    expect((await postForChunks(`${v1}/completions`, body)).some((chunk) => "usage" in chunk)).toBe(false);
  });
});

describe("embeddings", () => {
  const embed = (body: Json) => postForJson(`${v1}/embeddings`, { model: "m", ...body });
  const length = (vector: number[]) => Math.hypot(...vector);

  it("in-5: carry the same numbers as base64 and as floats", async () => {
    const floats = (await embed({ input: "Grüße 🙂" })).data[0].embedding as number[];
    const encoded = (await embed({ input: "Grüße 🙂", encoding_format: "base64" })).data[0]
      .embedding as string;
    const bytes = Buffer.from(encoded, "base64");
    expect(bytes.length).toBe(64 * 4);
    expect(floats.map((_, index) => bytes.readFloatLE(index * 4))).toEqual(floats);
  });

  it("are unit vectors, one an input, of the length asked for", async () => {
    const reply = await embed({ input: ["one", "two", "one"], dimensions: 32 });
    const vectors = reply.data.map(({ embedding }: Json) => embedding) as number[][];
    expect(reply.data.map(({ index }: Json) => index)).toEqual([0, 1, 2]);
    for (const vector of vectors) {
      expect(vector).toHaveLength(32);
      expect(length(vector)).toBeCloseTo(1, 5);
    }
    expect(vectors[0]).toEqual(vectors[2]);
    expect(vectors[0]).not.toEqual(vectors[1]);
  });

  it("take one list of tokens as one input and lists of tokens as several", async () => {
    expect((await embed({ input: [1, 2, 3] })).data).toHaveLength(1);
    const several = await embed({ input: [[1, 2], [3]] });
    expect(several.data).toHaveLength(2);
    expect(several.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
  });

  it.each([[undefined], [""], [["a", ""]], [{}], [[[]]]])("refuse %j for an input", async (input) => {
    const reply = await post(`${v1}/embeddings`, { model: "m", input });
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as Json).error.param).toBe("input");
  });
});

describe.each(["/v1/rerank", "/rerank"])("rerank at %s", (path) => {
  const documents = ["green apples", { text: "the capital of France is Paris" }, "Paris"];
  const rerank = (more: Json = {}) =>
    postForJson(backend.url + path, { model: "m", query: "capital of France", documents, ...more });

  it("sorts by score, index being the place in the request, documents only when asked for", async () => {
    const { results } = await rerank();
    expect(results.map(({ index }: Json) => index).sort()).toEqual([0, 1, 2]);
    expect(results[0].index).toBe(1);
    const scores = results.map((result: Json) => result.relevance_score) as number[];
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(results.some((result: Json) => "document" in result)).toBe(false);
  });

  it("honours top_n and return_documents", async () => {
    const { results } = await rerank({ top_n: 1, return_documents: true });
    expect(results).toEqual([
      { index: 1, relevance_score: expect.any(Number), document: { text: "the capital of France is Paris" } },
    ]);
  });
});

describe("moderations", () => {
  it("judge each text in 13 categories", async () => {
    const { results } = await postForJson(`${v1}/moderations`, {
      model: "m",
      input: ["I will attack", "hello"],
    });
    expect(results.map(({ flagged }: Json) => flagged)).toEqual([true, false]);
    expect(results[0].categories).toMatchObject({ violence: true, "self-harm/intent": false });
    expect(Object.keys(results[0].category_scores)).toHaveLength(13);
  });
});

describe("models", () => {
  it("are listed without paging, and the list does not change between calls", async () => {
    const list = async () => (await (await fetch(`${v1}/models`)).json()) as Json;
    expect(await list()).toMatchObject({
      object: "list",
      data: [{ id: "m", object: "model" }, { id: "vendor/m:1" }],
    });
    expect(await list()).toEqual(await list());
  });

  it("are shown by ids that hold slashes and colons, encoded or not", async () => {
    for (const id of ["vendor/m:1", "vendor%2Fm%3A1"]) {
      expect(await (await fetch(`${v1}/models/${id}`)).json()).toMatchObject({ id: "vendor/m:1" });
    }
    expect((await fetch(`${v1}/models/other`)).status).toBe(404);
  });
});

it("answers a health check", async () => {
  expect(await (await fetch(`${backend.url}/health`)).json()).toEqual({ status: "ok" });
});

it("answers 404 in its dialect on an unknown route", async () => {
  const reply = await fetch(`${v1}/nothing`);
  expect(reply.status).toBe(404);
  expect(await reply.json()).toMatchObject({ error: { type: "invalid_request_error" } });
});
