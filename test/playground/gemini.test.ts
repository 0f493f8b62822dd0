import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sign } from "../../playground/src/signature.ts";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { post, type Json } from "./_calls.ts";

const model = "gemini-3-flash-preview";
let backend: SimulatedBackend;
beforeAll(async () => {
  backend = await startSimulatedBackend({
    dialect: "gemini",
    models: [model, "gemini-embedding-001"],
    tokens: 4,
    dimensions: 8,
  });
});
beforeEach(() => {
  backend.faults = [];
  Object.assign(backend.settings, {
    text: undefined,
    filtered: false,
    cachedTokens: 0,
    requireKey: undefined,
  });
});
afterAll(() => backend.close());

const user = (...parts: Json[]): Json => ({ role: "user", parts });
const fromModel = (...parts: Json[]): Json => ({ role: "model", parts });
const ask = { contents: [user({ text: "Hello!" })] };
const functionDeclarations = ["get_weather", "get_time"].map((name) => ({
  name,
  parametersJsonSchema: { type: "object", properties: { place: { const: "Rome" } } },
}));
const tools = [{ functionDeclarations }];
const call = (id: string, thoughtSignature?: string): Json => ({
  functionCall: { id, name: "get_weather", args: {} },
  ...(thoughtSignature && { thoughtSignature }),
});
const result = (id: string): Json => ({
  functionResponse: { id, name: "get_weather", response: { output: "sunny" } },
});

const send = (method: string, body: Json, name = model, headers: Record<string, string> = {}) =>
  post(`${backend.url}/v1beta/models/${name}:${method}`, body, { headers });
async function generate(body: Json): Promise<Json> {
  return (await (await send("generateContent", { ...ask, ...body })).json()) as Json;
}
async function stream(body: Json): Promise<Json[]> {
  const reply = await send("streamGenerateContent?alt=sse", { ...ask, ...body });
  const events = (await reply.text()).split("\r\n\r\n");
  expect(events.pop()).toBe("");
  return events.map((event) => JSON.parse(event.slice("data: ".length)) as Json);
}
const thinks = { thinkingConfig: { thinkingLevel: "LOW", includeThoughts: true } };

describe(":generateContent", () => {
  it("answers parts with what they cost, thoughts beside the rest", async () => {
    backend.settings.cachedTokens = 2;
    expect(await generate({ generationConfig: thinks })).toMatchObject({
      candidates: [
        {
          content: { role: "model", parts: [{ thought: true }, { text: expect.stringMatching(/./) }] },
          finishReason: "STOP",
          index: 0,
        },
      ],
      usageMetadata: { cachedContentTokenCount: 2, candidatesTokenCount: 4, thoughtsTokenCount: 8 },
      modelVersion: model,
    });
  });

  it("streams the new parts alone, the reason with the last, which holds but a signature", async () => {
    const whole = await generate({});
    const sent = await stream({});
    const texts = sent.map(({ candidates }) => candidates[0].content.parts[0].text as string);
    expect(texts.join("")).toBe(whole.candidates[0].content.parts[0].text);
    expect(sent.map(({ candidates }) => candidates[0].finishReason).filter(Boolean)).toEqual(["STOP"]);
    expect(sent.at(-1)!.candidates[0].content.parts).toEqual([{ text: "", thoughtSignature: sign("text") }]);
    expect(sent.at(-1)!.usageMetadata).toEqual(whole.usageMetadata);
  });

  it("streams as one list without alt=sse", async () => {
    const reply = await send("streamGenerateContent", ask);
    expect(reply.headers.get("content-type")).toContain("application/json");
    expect(Array.isArray(await reply.json())).toBe(true);
  });

  it("calls tools whole, of which the first is signed", async () => {
    const sent = await stream({ tools, contents: [user({ text: "The weather and the time?" })] });
    const parts = sent.flatMap(({ candidates }) => candidates[0].content.parts as Json[]);
    expect(parts.map(({ functionCall }) => functionCall.args)).toEqual([
      { place: "Rome" },
      { place: "Rome" },
    ]);
    expect(parts.map((part) => part.thoughtSignature)).toEqual([sign("get_weather"), undefined]);
    expect(sent.at(-1)!.candidates[0].finishReason).toBe("STOP");
  });

  it.each([
    ["MAX_TOKENS", { generationConfig: { maxOutputTokens: 2 } }, false],
    ["SAFETY", {}, true],
  ])("tells that it ended by %s", async (finishReason, body, filtered) => {
    backend.settings.filtered = filtered;
    expect((await generate(body)).candidates[0].finishReason).toBe(finishReason);
  });

  it("answers as often as asked", async () => {
    const { candidates } = await generate({ generationConfig: { candidateCount: 2 } });
    expect(candidates.map(({ index }: Json) => index)).toEqual([0, 1]);
  });

  it.each<[string, Json]>([
    ["contents is not specified", { contents: [] }],
    ['Unknown name "messages"', { messages: [] }],
    ['Unknown name "min_p"', { generationConfig: { min_p: 1 } }],
    ["valid role", { contents: [{ role: "assistant", parts: [{ text: "a" }] }] }],
    ["must not be empty", { contents: [user()] }],
    ["oneof field 'data'", { contents: [user({ thought: true })] }],
    ["Base64", { contents: [user({ inlineData: { mimeType: "image/png", data: "data:," } })] }],
    ["does not support this kind of part", { contents: [user(call("1"))] }],
    ["immediately after a function call turn", { contents: [user(result("1"))] }],
    [
      "number of function response parts",
      {
        contents: [
          user({ text: "a" }),
          fromModel(call("1", sign("get_weather")), call("2")),
          user(result("1")),
        ],
      },
    ],
    [
      "missing a thought_signature",
      { contents: [user({ text: "a" }), fromModel(call("1")), user(result("1"))] },
    ],
    [
      "Corrupted thought signature",
      { contents: [user({ text: "a" }), fromModel(call("1", "forged")), user(result("1"))] },
    ],
    [
      "mutually exclusive",
      { tools: [{ functionDeclarations: [{ name: "f", parameters: {}, parametersJsonSchema: {} }] }] },
    ],
    ["without function_declarations", { toolConfig: { functionCallingConfig: { mode: "ANY" } } }],
    ["only allowed when response_mime_type", { generationConfig: { responseJsonSchema: {} } }],
    ["at most 5", { generationConfig: { stopSequences: ["1", "2", "3", "4", "5", "6"] } }],
    [
      "only one of thinking budget",
      { generationConfig: { thinkingConfig: { thinkingLevel: "LOW", thinkingBudget: 1 } } },
    ],
  ])("refuses as the vendor: %s", async (message, body) => {
    const reply = await send("generateContent", { ...ask, ...body });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({
      error: { code: 400, status: "INVALID_ARGUMENT", message: expect.stringContaining(message) },
    });
  });

  it.each([sign("get_weather"), "skip_thought_signature_validator"])(
    "takes calls signed by %s, also where each came in a content of its own",
    async (signature) => {
      const contents = [
        user({ text: "a" }),
        fromModel(call("1", signature)),
        fromModel(call("2")),
        user(result("1"), result("2")),
      ];
      const { candidates } = await generate({ contents, tools });
      expect(candidates[0].content.parts[0].text).toContain("The tool answered sunny and sunny");
    },
  );

  it("takes calls of turns that are over without a signature", async () => {
    const contents = [
      user({ text: "a" }),
      fromModel(call("1")),
      user(result("1")),
      fromModel({ text: "b" }),
      user({ text: "c" }),
    ];
    expect((await send("generateContent", { contents })).status).toBe(200);
  });

  it("takes a wrong key for a fault in the request", async () => {
    backend.settings.requireKey = "k";
    expect((await send("generateContent", ask, model, { "x-goog-api-key": "k" })).status).toBe(200);
    const reply = await send("generateContent", ask);
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { details: [{ reason: "API_KEY_INVALID" }] } });
  });

  it("reports an error inside a stream", async () => {
    backend.faults = [{ kind: "stream_error", afterEvents: 2, code: "UNAVAILABLE" }];
    expect((await stream({})).at(-1)).toMatchObject({ error: { code: 503, status: "UNAVAILABLE" } });
  });
});

describe("beside it", () => {
  it("counts tokens of contents and of whole requests", async () => {
    for (const body of [ask, { generateContentRequest: { model: `models/${model}`, ...ask } }])
      expect(await (await send("countTokens", body)).json()).toMatchObject({
        totalTokens: expect.any(Number),
      });
  });

  it("embeds one text and several, each of which names the model", async () => {
    const content = { parts: [{ text: "a" }] };
    const name = "gemini-embedding-001";
    const one = (await (
      await send("embedContent", { content, outputDimensionality: 4 }, name)
    ).json()) as Json;
    expect(one.embedding.values).toHaveLength(4);
    const requests = [{ model: `models/${name}`, content }];
    const several = (await (await send("batchEmbedContents", { requests }, name)).json()) as Json;
    expect(several.embeddings[0].values).toHaveLength(8);
    const unnamed = await send("batchEmbedContents", { requests: [{ content }] }, name);
    expect(unnamed.status).toBe(400);
  });

  it("lists its models, and knows no other", async () => {
    const list = (await (await fetch(`${backend.url}/v1beta/models`)).json()) as Json;
    expect(list.models.map(({ name }: Json) => name)).toEqual([
      `models/${model}`,
      "models/gemini-embedding-001",
    ]);
    expect((await send("generateContent", ask, "nosuch")).status).toBe(404);
  });
});
