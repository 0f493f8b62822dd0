import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError,
  generateObject,
  generateText,
  stepCountIs,
  streamText,
  tool,
  type LanguageModel,
} from "ai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { BACKENDS, KEY, MODELS, resetBackends, startMatrixRig, type MatrixRig } from "./_matrix-rig.ts";

let rig: MatrixRig;
beforeAll(async () => {
  // It warns of models that are not its vendor's own.
  vi.stubGlobal("AI_SDK_LOG_WARNINGS", false);
  rig = await startMatrixRig();
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

const PROVIDERS = {
  "openai-compatible": (url: string, model: string): LanguageModel =>
    createOpenAICompatible({
      name: "gatewright",
      baseURL: `${url}/v1`,
      apiKey: KEY,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(model),
  "openai, responses": (url: string, model: string): LanguageModel =>
    createOpenAI({ baseURL: `${url}/v1`, apiKey: KEY }).responses(model),
  anthropic: (url: string, model: string): LanguageModel =>
    createAnthropic({ baseURL: `${url}/v1`, apiKey: KEY })(model),
  google: (url: string, model: string): LanguageModel =>
    createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: KEY })(model),
} as const;

const CELLS = (Object.keys(PROVIDERS) as (keyof typeof PROVIDERS)[]).flatMap((provider) =>
  BACKENDS.map((backend) => [provider, backend] as const),
);

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";
const maxRetries = 0;
const tools = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.literal("Rome") }),
    execute: ({ city }) => `18 degrees in ${city}`,
  }),
  get_time: tool({
    description: "The time of a zone",
    inputSchema: z.object({ zone: z.literal("UTC") }),
    execute: () => "noon",
  }),
};

describe.each(CELLS)("ai with %s on the %s backend", (provider, backendName) => {
  const model = (): LanguageModel => PROVIDERS[provider](rig.gateway.url, MODELS[backendName]);

  it("generates text with its usage, and streams the same", async () => {
    const ask = { model: model(), prompt: "Hello!", system: "Be brief.", maxRetries };
    const whole = await generateText(ask);
    expect(whole.text).not.toBe("");
    expect(whole.finishReason).toBe("stop");
    const streamed = streamText(ask);
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.join("")).toBe(whole.text);
    expect(pieces.length).toBeGreaterThan(5);
    expect(await streamed.finishReason).toBe("stop");
    const { inputTokens, outputTokens } = await streamed.usage;
    expect({ inputTokens, outputTokens }).toEqual({
      inputTokens: whole.usage.inputTokens,
      outputTokens: whole.usage.outputTokens,
    });
    expect(outputTokens).toBe(24);
  });

  it.each([false, true])("runs parallel tools to the end, streamed: %s", async (streamed) => {
    const ask = {
      model: model(),
      prompt: "What is the weather, and what the time?",
      tools,
      stopWhen: stepCountIs(3),
      maxRetries,
    };
    const text = streamed ? await streamText(ask).text : (await generateText(ask)).text;
    // Google's provider puts its own envelope around a result.
    expect(text).toMatch(/^The tool answered .*18 degrees in Rome.* and .*noon.*, and so: /);
  });

  it("shows an image", async () => {
    const content = [
      { type: "text" as const, text: "What is this?" },
      { type: "image" as const, image: Buffer.from(PIXEL, "base64") },
    ];
    const { text } = await generateText({
      model: model(),
      messages: [{ role: "user", content }],
      maxRetries,
    });
    expect(text).toContain("I see 1 image");
  });

  it("generates an object by its schema", async () => {
    const schema = z.object({ city: z.literal("Rome"), degrees: z.number() });
    // Else it forces a tool on models that it does not know, which not every backend can be made to call.
    const providerOptions = { anthropic: { structuredOutputMode: "outputFormat" as const } };
    const { object } = await generateObject({
      providerOptions,
      model: model(),
      prompt: "Where is it warm?",
      schema,
      maxRetries,
    });
    expect(object.city).toBe("Rome");
  });

  it("throws where the backend fails, and in the middle of a stream", async () => {
    rig.backends[backendName].faults = [
      { kind: "status", status: 429 },
      { kind: "cut", afterEvents: 7 },
    ];
    const error = await generateText({ model: model(), prompt: "Hello!", maxRetries }).catch(
      (reason: unknown) => reason,
    );
    expect(APICallError.isInstance(error)).toBe(true);
    expect((error as APICallError).statusCode).toBe(429);
    const failures: unknown[] = [];
    const streamed = streamText({
      model: model(),
      prompt: "Hello!",
      maxRetries,
      onError: ({ error: reason }) => void failures.push(reason),
    });
    await streamed.consumeStream();
    expect(failures).toHaveLength(1);
  });
});
