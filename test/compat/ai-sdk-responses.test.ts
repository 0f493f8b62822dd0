import { createOpenAI, type OpenAIProvider } from "@ai-sdk/openai";
import {
  generateObject,
  generateText,
  stepCountIs,
  streamObject,
  streamText,
  tool,
  type ModelMessage,
} from "ai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { DIALECTS, KEYS, MODELS, startResponsesRig, type ResponsesRig } from "./_responses-rig.ts";

let rig: ResponsesRig;
let openai: OpenAIProvider;
beforeAll(async () => {
  rig = await startResponsesRig();
  openai = createOpenAI({ baseURL: rig.baseURL, apiKey: KEYS[0]!.key });
});
afterAll(() => rig[Symbol.asyncDispose]());

const maxRetries = 0;
const weather = tool({
  description: "The weather of a city",
  inputSchema: z.object({ city: z.literal("Rome") }),
  execute: ({ city }) => `18 degrees in ${city}`,
});

describe.each(DIALECTS)("@ai-sdk/openai, responses over the chat of %s", (dialect) => {
  const createModel = () => openai.responses(MODELS[dialect]);

  it("in-10, st-4: generates text, and streams the same", async () => {
    const whole = await generateText({ model: createModel(), prompt: "Hello!", maxRetries });
    expect(whole.text).not.toBe("");
    expect(whole.finishReason).toBe("stop");
    expect(whole.usage.outputTokens).toBeGreaterThan(0);
    const streamed = streamText({ model: createModel(), prompt: "Hello!", maxRetries });
    const pieces: string[] = [];
    for await (const piece of streamed.textStream) pieces.push(piece);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(whole.text);
    expect(await streamed.finishReason).toBe("stop");
    expect((await streamed.usage).outputTokens).toBe(whole.usage.outputTokens);
  });

  it.each([
    ["items that are referred to, as stored", undefined],
    ["its own history, unstored", { openai: { store: false } }],
  ])("in-3: loops over a tool by %s, whole and streamed", async (_name, providerOptions) => {
    const call = {
      model: createModel(),
      prompt: "How is the weather?",
      tools: { get_weather: weather },
      stopWhen: stepCountIs(3),
      maxRetries,
      providerOptions,
    };
    const whole = await generateText(call);
    expect(whole.steps).toHaveLength(2);
    expect(whole.text).toContain("The tool answered 18 degrees in Rome");
    const streamed = streamText(call);
    await streamed.consumeStream();
    expect(await streamed.steps).toHaveLength(2);
    expect(await streamed.text).toContain("The tool answered 18 degrees in Rome");
  });

  it("goes on from its own messages, and from the response before", async () => {
    const first = await generateText({ model: createModel(), prompt: "One", maxRetries });
    const seen = (): unknown => {
      const { messages } = rig.backends[dialect].requests.at(-1)!.json as { messages: object[] };
      return messages;
    };
    const expected = [
      { role: "user", content: "One" },
      { role: "assistant", content: first.text },
      { role: "user", content: "Two" },
    ];
    const messages: ModelMessage[] = [
      { role: "user", content: "One" },
      ...first.response.messages,
      { role: "user", content: "Two" },
    ];
    await generateText({ model: createModel(), messages, maxRetries });
    expect(seen()).toMatchObject(expected);

    const previousResponseId = first.providerMetadata!["openai"]!["responseId"] as string;
    await generateText({
      model: createModel(),
      prompt: "Two",
      maxRetries,
      providerOptions: { openai: { previousResponseId } },
    });
    expect(seen()).toMatchObject(expected);
  });

  it("generates objects by a schema, whole and streamed", async () => {
    const schema = z.object({ city: z.string(), degrees: z.number() });
    const call = { model: createModel(), schema, prompt: "How is it?", maxRetries };
    const { object } = await generateObject(call);
    expect(schema.parse(object)).toEqual(object);
    const streamed = streamObject(call);
    for await (const _ of streamed.partialObjectStream);
    expect(await streamed.object).toEqual(object);
  });

  it("reads an answer that was cut by its length", async () => {
    const { finishReason } = await generateText({
      model: createModel(),
      prompt: "Hello!",
      maxOutputTokens: 2,
      maxRetries,
    });
    expect(finishReason).toBe("length");
  });

  it("st-6: hears of a stream that was cut", async () => {
    rig.backends[dialect].faults = [{ kind: "cut", afterEvents: 3 }];
    const errors: unknown[] = [];
    const streamed = streamText({
      model: createModel(),
      prompt: "Hello!",
      maxRetries,
      onError: ({ error }) => void errors.push(error),
    });
    await streamed.consumeStream();
    expect(errors).toHaveLength(1);
    rig.backends[dialect].faults = [];
  });
});
