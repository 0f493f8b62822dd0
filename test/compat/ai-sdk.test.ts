import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  embedMany,
  experimental_generateSpeech as generateSpeech,
  experimental_transcribe as transcribe,
  generateImage,
  generateObject,
  generateText,
  stepCountIs,
  streamObject,
  streamText,
  tool,
  type LanguageModel,
} from "ai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

let rig: Rig;
let openai: OpenAIProvider;
let compatible: ReturnType<typeof createOpenAICompatible>;
beforeAll(async () => {
  rig = await startRig();
  const { baseURL } = rig;
  openai = createOpenAI({ baseURL, apiKey: "not-needed" });
  compatible = createOpenAICompatible({
    name: "gatewright",
    baseURL,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

const maxRetries = 0;
const prompt = "Hello!";

const weather = tool({
  description: "The weather of a city",
  inputSchema: z.object({ city: z.literal("Rome") }),
  execute: ({ city }) => `18 degrees in ${city}`,
});

const providers: readonly [string, () => LanguageModel][] = [
  ["@ai-sdk/openai-compatible on the openai backend", () => compatible(CHAT_MODELS.openai)],
  ["@ai-sdk/openai-compatible on the ollama backend", () => compatible(CHAT_MODELS.ollama)],
  ["@ai-sdk/openai, chat, on the openai backend", () => openai.chat(CHAT_MODELS.openai)],
  ["@ai-sdk/openai, chat, on the ollama backend", () => openai.chat(CHAT_MODELS.ollama)],
  ["@ai-sdk/openai, responses", () => openai.responses(CHAT_MODELS.openai)],
];

describe.each(providers)("%s", (_name, createModel) => {
  it("in-1, st-4: generates text, and streams the same", async () => {
    const whole = await generateText({ model: createModel(), prompt, maxRetries });
    expect(whole.text).not.toBe("");
    expect(whole.finishReason).toBe("stop");
    expect(whole.usage.outputTokens).toBeGreaterThan(0);

    const streamed = streamText({ model: createModel(), prompt, maxRetries });
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(whole.text);
    expect(await streamed.finishReason).toBe("stop");
    expect((await streamed.usage).outputTokens).toBe(whole.usage.outputTokens);
  });

  it("in-3: loops over a tool, whole and streamed", async () => {
    const call = {
      model: createModel(),
      prompt: "How is the weather?",
      tools: { get_weather: weather },
      stopWhen: stepCountIs(3),
      maxRetries,
    };
    const whole = await generateText(call);
    expect(whole.steps).toHaveLength(2);
    expect(whole.text).toContain("The tool answered 18 degrees in Rome");

    const streamed = streamText(call);
    await streamed.consumeStream();
    expect(await streamed.steps).toHaveLength(2);
    expect(await streamed.text).toBe(whole.text);
  });

  it("in-2: generates an object by a schema, and streams it", async () => {
    const schema = z.object({ title: z.string(), minutes: z.number().min(5), steps: z.array(z.string()) });
    const expected = { title: "example", minutes: 5, steps: ["example"] };
    const { object } = await generateObject({ model: createModel(), prompt, schema, maxRetries });
    expect(object).toEqual(expected);
    const streamed = streamObject({ model: createModel(), prompt, schema, maxRetries });
    const parts: unknown[] = [];
    for await (const part of streamed.partialObjectStream) parts.push(part);
    expect(parts.at(-1)).toEqual(expected);
  });

  it("reads the gateway's error", async () => {
    rig.openai.faults = rig.ollama.faults = [
      { kind: "status", status: 429, headers: { "retry-after": "7" } },
    ];
    const failure: unknown = await generateText({ model: createModel(), prompt, maxRetries }).catch(
      (error: unknown) => error,
    );
    expect(APICallError.isInstance(failure)).toBe(true);
    expect(failure).toMatchObject({
      statusCode: 429,
      isRetryable: true,
      responseHeaders: { "retry-after": "7" },
    });
  });

  it("st-6: reports a stream that was cut", async () => {
    rig.openai.faults = rig.ollama.faults = [{ kind: "cut", afterEvents: 10 }];
    const errors: unknown[] = [];
    const streamed = streamText({
      model: createModel(),
      prompt,
      maxRetries,
      onError: ({ error }) => void errors.push(error),
    });
    const types: string[] = [];
    for await (const { type } of streamed.fullStream) types.push(type);
    expect(types).toContain("text-delta");
    expect(types).toContain("error");
    expect(errors).toHaveLength(1);
  });
});

describe.each([
  ["@ai-sdk/openai-compatible", "all-minilm", () => compatible.embeddingModel("all-minilm")],
  ["@ai-sdk/openai", "text-embedding-3-small", () => openai.embedding("text-embedding-3-small")],
])("%s, embeddings", (_name, _id, createModel) => {
  it("in-5: embeds many texts", async () => {
    const { embeddings, usage } = await embedMany({
      model: createModel(),
      values: ["one", "two"],
      maxRetries,
    });
    expect(embeddings).toHaveLength(2);
    expect(embeddings[0]).not.toEqual(embeddings[1]);
    expect(usage.tokens).toBeGreaterThan(0);
  });
});

describe("@ai-sdk/openai, media", () => {
  it("in-7: generates speech", async () => {
    const { audio } = await generateSpeech({ model: openai.speech("tts-1"), text: prompt, maxRetries });
    expect(audio.uint8Array.length).toBeGreaterThan(10_000);
    expect(audio.mediaType).toBe("audio/mpeg");
  });

  it("in-8: transcribes", async () => {
    const audio = Buffer.from("ID3 a recording");
    const { text } = await transcribe({ model: openai.transcription("whisper-1"), audio, maxRetries });
    expect(text).toContain(`I heard ${audio.length} bytes`);
  });

  it("in-9: generates an image", async () => {
    const { image } = await generateImage({
      model: openai.image("gpt-image-1"),
      prompt: "A boat",
      maxRetries,
    });
    expect(image.mediaType).toBe("image/png");
  });
});
