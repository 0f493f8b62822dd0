import { FunctionCallingConfigMode, GoogleGenAI, ThinkingLevel, Type } from "@google/genai";
import type { Content, FunctionDeclaration, GenerateContentResponse } from "@google/genai";
import { geminiApi } from "@gatewright/gemini-api";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BACKENDS, CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

let rig: Rig;
let client: GoogleGenAI;
beforeAll(async () => {
  const efforts: ("none" | "low" | "medium" | "high")[] = ["none", "low", "medium", "high"];
  rig = await startRig([geminiApi({ reasoningEfforts: { "gpt-4o*": efforts, "qwen2.5:*": efforts } })]);
  client = new GoogleGenAI({ apiKey: "not-needed", httpOptions: { baseUrl: rig.gateway.url } });
});
beforeEach(() => {
  resetBackends(rig);
  for (const { settings } of [rig.openai, rig.ollama]) {
    settings.reasoningField = undefined;
    settings.cachedTokens = 0;
  }
});
afterAll(() => rig[Symbol.asyncDispose]());

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";

/** A function whose calls by simulated models always have these arguments. */
function declare(name: string, argument: string, value: string): FunctionDeclaration {
  const properties = { [argument]: { type: Type.STRING, enum: [value] } };
  return {
    name,
    description: `Use ${name}`,
    parameters: { type: Type.OBJECT, properties, required: [argument] },
  };
}
const weather = declare("get_weather", "city", "Rome");
const clock = declare("get_time", "zone", "UTC");
const tools = [{ functionDeclarations: [weather, clock] }];
const ASK_BOTH = "What is the weather, and what the time?";

async function collect(
  stream: AsyncIterable<GenerateContentResponse>,
): Promise<{ chunks: GenerateContentResponse[]; text: string; thoughts: string }> {
  const chunks: GenerateContentResponse[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const parts = chunks.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
  const join = (thought: boolean): string =>
    parts
      .filter((part) => (part.thought ?? false) === thought)
      .map(({ text }) => text ?? "")
      .join("");
  return { chunks, text: join(false), thoughts: join(true) };
}

describe.each(BACKENDS)("@google/genai, content on the %s backend", (name) => {
  const model = CHAT_MODELS[name];

  it("gets text, the reason of its end, usage and the model that it asked for", async () => {
    const reply = await client.models.generateContent({
      model,
      contents: "Hello!",
      config: { maxOutputTokens: 5, systemInstruction: "Be brief", temperature: 0.2 },
    });
    expect(reply.text).not.toBe("");
    expect(reply.modelVersion).toBe(model);
    expect(reply.responseId).toMatch(/./);
    expect(reply.candidates).toHaveLength(1);
    expect(reply.candidates![0]).toMatchObject({ finishReason: "MAX_TOKENS", index: 0 });
    const { promptTokenCount, candidatesTokenCount, totalTokenCount } = reply.usageMetadata!;
    expect(candidatesTokenCount).toBe(5);
    expect(totalTokenCount).toBe(promptTokenCount! + 5);
  });

  it("st-4: streams parts that join to the whole text, the reason and the usage with the last", async () => {
    const whole = await client.models.generateContent({ model, contents: "Hello!" });
    const { chunks, text } = await collect(
      await client.models.generateContentStream({ model, contents: "Hello!" }),
    );
    expect(chunks.length).toBeGreaterThan(2);
    expect(text).toBe(whole.text);
    expect(new Set(chunks.map(({ responseId }) => responseId)).size).toBe(1);
    expect(new Set(chunks.map(({ modelVersion }) => modelVersion))).toEqual(new Set([model]));
    expect(chunks.map(({ candidates }) => candidates![0]!.finishReason).filter(Boolean)).toEqual(["STOP"]);
    expect(chunks.at(-1)!.candidates![0]!.finishReason).toBe("STOP");
    expect(chunks.at(-1)!.usageMetadata).toEqual(whole.usageMetadata);
  });

  it.each([false, true])("gets parallel calls with whole arguments, streamed: %s", async (streamed) => {
    const request = { model, contents: ASK_BOTH, config: { tools } };
    const chunks = streamed
      ? (await collect(await client.models.generateContentStream(request))).chunks
      : [await client.models.generateContent(request)];
    const calls = chunks.flatMap(({ functionCalls }) => functionCalls ?? []);
    expect(calls.map((call) => ({ name: call.name, args: call.args }))).toEqual([
      { name: "get_weather", args: { city: "Rome" } },
      { name: "get_time", args: { zone: "UTC" } },
    ]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
    expect(chunks.at(-1)!.candidates![0]!.finishReason).toBe("STOP");
  });

  it.each([true, false])("goes through a round of calls and results, ids returned: %s", async (withIds) => {
    const first = await client.models.generateContent({ model, contents: ASK_BOTH, config: { tools } });
    const results = first.functionCalls!.map((call) => ({
      functionResponse: {
        name: call.name!,
        response: { output: `${call.name} is fine` },
        ...(withIds && { id: call.id! }),
      },
    }));
    const contents: Content[] = [
      { role: "user", parts: [{ text: ASK_BOTH }] },
      first.candidates![0]!.content!,
      { role: "user", parts: results },
    ];
    const last = await client.models.generateContent({ model, contents, config: { tools } });
    expect(last.text).toContain("The tool answered get_weather is fine and get_time is fine");
  });

  it("sends an image", async () => {
    const reply = await client.models.generateContent({
      model,
      contents: [{ text: "What is this?" }, { inlineData: { mimeType: "image/png", data: PIXEL } }],
    });
    expect(reply.text).toContain("I see 1 image");
  });

  it.each(["responseSchema", "responseJsonSchema"])("gets structured output by %s", async (field) => {
    const schema =
      field === "responseSchema"
        ? { type: Type.OBJECT, properties: { answer: { type: Type.STRING, enum: ["yes"] } } }
        : { type: "object", properties: { answer: { const: "yes" } }, required: ["answer"] };
    const reply = await client.models.generateContent({
      model,
      contents: "Yes or no?",
      config: { responseMimeType: "application/json", [field]: { ...schema, required: ["answer"] } },
    });
    expect(JSON.parse(reply.text!)).toEqual({ answer: "yes" });
  });

  it("stops at a stop sequence", async () => {
    const backend = rig[name];
    backend.settings.text = "one two three";
    try {
      const reply = await client.models.generateContent({
        model,
        contents: "Count",
        config: { stopSequences: [" two"] },
      });
      expect(reply.text).toBe("one");
      expect(reply.candidates![0]!.finishReason).toBe("STOP");
    } finally {
      backend.settings.text = undefined;
    }
  });

  it("st-4: shows thoughts as parts of their own where they are asked for, and only there", async () => {
    rig.openai.settings.reasoningField = "reasoning_content";
    const ask = (includeThoughts: boolean) => ({
      model,
      contents: "Hello!",
      config: { thinkingConfig: { thinkingLevel: ThinkingLevel.LOW, includeThoughts } },
    });
    const whole = await client.models.generateContent(ask(true));
    const [thought, answer] = whole.candidates![0]!.content!.parts!;
    expect(thought).toMatchObject({ thought: true, text: expect.stringMatching(/./) as string });
    expect(answer!.thought).toBeUndefined();
    expect(whole.text).toBe(answer!.text);

    const streamed = await collect(await client.models.generateContentStream(ask(true)));
    expect(streamed.thoughts).toBe(thought!.text);
    expect(streamed.text).toBe(answer!.text);

    const hidden = await collect(await client.models.generateContentStream(ask(false)));
    expect(hidden.thoughts).toBe("");
    expect(hidden.text).toBe(answer!.text);
  });

  it("keeps a chat going over streamed and whole turns", async () => {
    const chat = client.chats.create({ model, config: { tools } });
    const { text } = await collect(await chat.sendMessageStream({ message: "Hello!" }));
    const { chunks } = await collect(await chat.sendMessageStream({ message: "How is the weather?" }));
    const [call] = chunks.flatMap(({ functionCalls }) => functionCalls ?? []);
    const reply = await chat.sendMessage({
      message: [
        { functionResponse: { id: call!.id!, name: call!.name!, response: { output: "18 degrees" } } },
      ],
    });
    expect(reply.text).toContain("The tool answered 18 degrees");

    const sent = rig[name].requests.at(-1)!.json as { messages: { role: string; content: string | null }[] };
    expect(sent.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant", "tool"]);
    expect(sent.messages[1]!.content).toBe(text);
  });

  it("st-6: throws on an error that comes before the content, with its status", async () => {
    rig[name].faults = () => ({ kind: "status", status: 429 });
    await expect(client.models.generateContent({ model, contents: "Hello!" })).rejects.toMatchObject({
      name: "ApiError",
      status: 429,
      message: expect.stringContaining("RESOURCE_EXHAUSTED") as string,
    });
    await expect(client.models.generateContentStream({ model, contents: "Hello!" })).rejects.toMatchObject({
      status: 429,
    });
  });

  it("st-6: throws in the middle of a stream that breaks", async () => {
    rig[name].faults = [{ kind: "cut", afterEvents: 6 }];
    const stream = await client.models.generateContentStream({ model, contents: "Hello!" });
    const chunks: GenerateContentResponse[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of stream) chunks.push(chunk);
    };
    await expect(read()).rejects.toMatchObject({ name: "ApiError", status: 502 });
    expect(chunks.length).toBeGreaterThan(0);
    expect(chunks.every(({ candidates }) => candidates![0]!.finishReason === undefined)).toBe(true);
  });
});

describe("@google/genai, content on the openai backend", () => {
  const model = CHAT_MODELS.openai;

  it("is made to call a function, or one of several, or none", async () => {
    const choose = async (
      mode: FunctionCallingConfigMode,
      allowedFunctionNames?: string[],
    ): Promise<unknown> => {
      const config = { tools, toolConfig: { functionCallingConfig: { mode, allowedFunctionNames } } };
      const reply = await client.models.generateContent({ model, contents: "Hello!", config });
      return reply.functionCalls?.map((call) => call.name);
    };
    expect(await choose(FunctionCallingConfigMode.ANY)).toEqual(["get_weather"]);
    expect(await choose(FunctionCallingConfigMode.ANY, ["get_time"])).toEqual(["get_time"]);
    const none = { functionCallingConfig: { mode: FunctionCallingConfigMode.NONE } };
    const silent = await client.models.generateContent({
      model,
      contents: ASK_BOTH,
      config: { tools, toolConfig: none },
    });
    expect(silent.functionCalls).toBeUndefined();
  });

  it("gets several candidates and log probabilities", async () => {
    const { candidates } = await client.models.generateContent({
      model,
      contents: "Hello!",
      config: { candidateCount: 2, responseLogprobs: true, maxOutputTokens: 2 },
    });
    expect(candidates!.map(({ index }) => index)).toEqual([0, 1]);
    expect(candidates![0]!.logprobsResult!.chosenCandidates).toHaveLength(2);
    expect(candidates![0]!.avgLogprobs).toBeCloseTo(-0.1);
  });

  it("counts cached tokens within the prompt's, thoughts beside the answer's", async () => {
    rig.openai.settings.reasoningField = "reasoning_content";
    rig.openai.settings.cachedTokens = 1;
    const { usageMetadata } = await client.models.generateContent({
      model,
      contents: "Hello!",
      config: { thinkingConfig: { thinkingBudget: 1_024 } },
    });
    const { promptTokenCount, candidatesTokenCount, thoughtsTokenCount, totalTokenCount } = usageMetadata!;
    expect(usageMetadata!.cachedContentTokenCount).toBe(1);
    expect(thoughtsTokenCount).toBeGreaterThan(0);
    expect(totalTokenCount).toBe(promptTokenCount! + candidatesTokenCount! + thoughtsTokenCount!);
  });

  it("runs functions by itself", async () => {
    const asked: unknown[] = [];
    const { text } = await client.models.generateContent({
      model,
      contents: "How is the weather?",
      config: {
        tools: [
          {
            tool: () => Promise.resolve({ functionDeclarations: [weather] }),
            callTool(calls) {
              asked.push(...calls.map(({ args }) => args));
              return Promise.resolve(
                calls.map(({ id, name }) => ({
                  functionResponse: { id: id!, name: name!, response: { output: "18 degrees" } },
                })),
              );
            },
          },
        ],
      },
    });
    expect(asked).toEqual([{ city: "Rome" }]);
    expect(text).toContain("The tool answered 18 degrees");
  });

  it("is told of a model that does not exist, and of what cannot be carried", async () => {
    await expect(client.models.generateContent({ model: "nobody", contents: "a" })).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining("NOT_FOUND") as string,
    });
    await expect(
      client.models.generateContent({ model, contents: "a", config: { tools: [{ googleSearch: {} }] } }),
    ).rejects.toMatchObject({ status: 400, message: expect.stringContaining("googleSearch") as string });
  });

  it("counts tokens nowhere here: 501", async () => {
    await expect(client.models.countTokens({ model, contents: "a" })).rejects.toMatchObject({
      status: 501,
      message: expect.stringContaining("UNIMPLEMENTED") as string,
    });
  });
});

describe.each([
  ["openai", "text-embedding-3-small"],
  ["ollama", "all-minilm"],
])("@google/genai, embeddings on the %s backend", (_name, model) => {
  it("gets one list of numbers for each content, of the size that it asked for", async () => {
    const { embeddings } = await client.models.embedContent({
      model,
      contents: ["one", "two"],
      config: { outputDimensionality: 8 },
    });
    expect(embeddings!.map(({ values }) => values!.length)).toEqual([8, 8]);
    const [one] = (
      await client.models.embedContent({ model, contents: "one", config: { outputDimensionality: 8 } })
    ).embeddings!;
    expect(one!.values).toEqual(embeddings![0]!.values);
    expect(one!.values).not.toEqual(embeddings![1]!.values);
  });
});

describe("@google/genai, models", () => {
  it("lists the models of both backends, over pages", async () => {
    const names: string[] = [];
    for await (const { name } of await client.models.list({ config: { pageSize: 3 } })) names.push(name!);
    expect(names).toEqual(expect.arrayContaining(["models/gpt-4o-mini", "models/qwen2.5:7b", "models/ears"]));
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(["qwen2.5:7b", "publisher/vision-model:free"])("gets %s, and content of it", async (model) => {
    const found = await client.models.get({ model });
    expect(found).toMatchObject({ name: `models/${model}` });
    expect(found.supportedActions).toContain("generateContent");
    expect((await client.models.generateContent({ model, contents: "Hello!" })).modelVersion).toBe(model);
  });
});
