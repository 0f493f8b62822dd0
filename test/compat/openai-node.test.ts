import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import type { RunnableToolFunctionWithParse } from "openai/lib/RunnableFunction";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { BACKENDS, CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

let rig: Rig;
let client: OpenAI;
beforeAll(async () => {
  rig = await startRig();
  client = new OpenAI({ baseURL: rig.baseURL, apiKey: "not-needed", maxRetries: 0 });
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

type Message = OpenAI.ChatCompletionMessageParam;

const hello: Message[] = [{ role: "user", content: "Hello!" }];
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";

/** A tool whose calls of simulated models always have these arguments. */
function toolFor(name: string, argument: string, value: string): OpenAI.ChatCompletionFunctionTool {
  const parameters = { type: "object", properties: { [argument]: { const: value } }, required: [argument] };
  return { type: "function", function: { name, description: `Use ${name}`, parameters } };
}
const weather = toolFor("get_weather", "city", "Rome");
const clock = toolFor("get_time", "zone", "UTC");
const askBoth: Message[] = [{ role: "user", content: "What is the weather, and what the time?" }];

function callsOf(message: OpenAI.ChatCompletionMessage): { name: string; args: unknown }[] {
  return (message.tool_calls ?? []).map((call) => {
    if (call.type !== "function") throw new Error(`a call of type ${call.type}`);
    return { name: call.function.name, args: JSON.parse(call.function.arguments) as unknown };
  });
}

describe.each(BACKENDS)("openai for Node, chat on the %s backend", (name) => {
  const model = CHAT_MODELS[name];

  it("8, in-1: gets the content, the model it asked for, and usage", async () => {
    const reply = await client.chat.completions.create({ model, messages: hello, max_tokens: 5 });
    expect(reply).toMatchObject({ object: "chat.completion", model });
    expect(reply.choices[0]).toMatchObject({ finish_reason: "length", message: { role: "assistant" } });
    expect(reply.choices[0]!.message.content).not.toBe("");
    expect(reply.usage!.completion_tokens).toBe(5);
    expect(reply.usage!.total_tokens).toBe(reply.usage!.prompt_tokens + 5);
    expect(reply._request_id).toMatch(/./);
  });

  it("st-4: streams deltas that join to the whole text", async () => {
    const whole = await client.chat.completions.create({ model, messages: hello });
    const stream = await client.chat.completions.create({ model, messages: hello, stream: true });
    let text = "";
    const ids = new Set<string>();
    const finishes: string[] = [];
    for await (const chunk of stream) {
      expect(chunk.model).toBe(model);
      ids.add(chunk.id);
      text += chunk.choices[0]!.delta.content ?? "";
      if (chunk.choices[0]!.finish_reason) finishes.push(chunk.choices[0]!.finish_reason);
    }
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(ids.size).toBe(1);
    expect(finishes).toEqual(["stop"]);
  });

  it("st-4: the stream helper gathers content events and the final completion", async () => {
    const pieces: string[] = [];
    const runner = client.chat.completions.stream({ model, messages: hello });
    runner.on("content", (delta) => pieces.push(delta));
    const final = await runner.finalChatCompletion();
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(final.choices[0]!.message.content);
    expect(final).toMatchObject({ object: "chat.completion", model });
  });

  it("E19: sees a chunk of usage when it asked for one", async () => {
    const stream_options = { include_usage: true };
    const stream = await client.chat.completions.create({
      model,
      messages: hello,
      stream: true,
      stream_options,
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const last = chunks.at(-1)!;
    expect(last.choices).toEqual([]);
    expect(last.usage!.total_tokens).toBe(last.usage!.prompt_tokens + last.usage!.completion_tokens);
    expect(chunks.slice(0, -1).every(({ choices, usage }) => choices.length === 1 && !usage)).toBe(true);
  });

  it("E19: sees no usage when it did not ask", async () => {
    const stream = await client.chat.completions.create({ model, messages: hello, stream: true });
    for await (const chunk of stream) {
      expect(chunk.choices).toHaveLength(1);
      expect(chunk).not.toHaveProperty("usage");
    }
  });

  it("in-2: gets parallel tool calls, whole and streamed alike", async () => {
    const request = { model, messages: askBoth, tools: [weather, clock] };
    const expected = [
      { name: "get_weather", args: { city: "Rome" } },
      { name: "get_time", args: { zone: "UTC" } },
    ];
    const whole = await client.chat.completions.create(request);
    expect(whole.choices[0]!.finish_reason).toBe("tool_calls");
    expect(callsOf(whole.choices[0]!.message)).toEqual(expected);

    const streamed = await client.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices[0]!.finish_reason).toBe("tool_calls");
    expect(callsOf(streamed.choices[0]!.message)).toEqual(expected);
    const ids = streamed.choices[0]!.message.tool_calls!.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
  });

  it.each([false, true])("in-3: goes through a round of call and result, streamed: %s", async (stream) => {
    const asked: unknown[] = [];
    const tool: RunnableToolFunctionWithParse<{ city: string }> = {
      type: "function",
      function: {
        name: "get_weather",
        description: "The weather of a city",
        parameters: weather.function.parameters!,
        parse: (text) => JSON.parse(text) as { city: string },
        function(args) {
          asked.push(args);
          return "18 degrees";
        },
      },
    };
    const messages: Message[] = [{ role: "user", content: "How is the weather?" }];
    const runner = stream
      ? client.chat.completions.runTools({ model, messages, tools: [tool], stream: true })
      : client.chat.completions.runTools({ model, messages, tools: [tool] });
    const content = await runner.finalContent();
    expect(asked).toEqual([{ city: "Rome" }]);
    expect(content).toContain("The tool answered 18 degrees");
  });

  it("in-2: parses structured output by a zod schema", async () => {
    const Recipe = z.object({ title: z.string(), minutes: z.number().min(5), steps: z.array(z.string()) });
    const reply = await client.chat.completions.parse({
      model,
      messages: [{ role: "user", content: "A recipe, please" }],
      response_format: zodResponseFormat(Recipe, "recipe"),
    });
    expect(reply.choices[0]!.message.parsed).toEqual({ title: "example", minutes: 5, steps: ["example"] });
  });

  it("in-2: gets structured output by a bare JSON schema, streamed", async () => {
    const schema = { type: "object", properties: { answer: { enum: ["yes"] } }, required: ["answer"] };
    const content = await client.chat.completions
      .stream({
        model,
        messages: hello,
        response_format: { type: "json_schema", json_schema: { name: "answer", schema } },
      })
      .finalContent();
    expect(JSON.parse(content!)).toEqual({ answer: "yes" });
  });

  it("in-3: sends an image", async () => {
    const reply = await client.chat.completions.create({
      model,
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: PIXEL } },
          ],
        },
      ],
    });
    expect(reply.choices[0]!.message.content).toContain("I see 1 image");
  });

  it("in-4: completes a prompt, whole and streamed", async () => {
    const request = { model, prompt: "Once upon a time", max_tokens: 6 };
    const whole = await client.completions.create(request);
    expect(whole).toMatchObject({ object: "text_completion", model, choices: [{ finish_reason: "length" }] });
    const stream = await client.completions.create({ ...request, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]!.text;
    expect(text).toBe(whole.choices[0]!.text);
    expect(text).not.toBe("");
  });
});

describe.each([
  ["openai", "text-embedding-3-small"],
  ["ollama", "all-minilm"],
])("openai for Node, embeddings on the %s backend", (_name, model) => {
  it("in-5: gets the same numbers by base64, the SDK's default, as by float", async () => {
    const request = { model, input: ["one", "two"], dimensions: 8 };
    const base64 = await client.embeddings.create(request);
    const float = await client.embeddings.create({ ...request, encoding_format: "float" });
    expect(base64.data.map(({ index }) => index)).toEqual([0, 1]);
    expect(base64.model).toBe(model);
    expect(base64.usage.total_tokens).toBeGreaterThan(0);
    for (const [index, { embedding }] of float.data.entries()) {
      expect(embedding).toHaveLength(8);
      // base64 carries 32-bit numbers.
      expect([...base64.data[index]!.embedding]).toEqual([...Float32Array.from(embedding)]);
    }
  });
});

describe("openai for Node, models", () => {
  it("in-14: lists the models of both backends", async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) {
      expect(model.object).toBe("model");
      ids.push(model.id);
    }
    expect(ids).toEqual(expect.arrayContaining(["gpt-4o-mini", "qwen2.5:7b", "ears"]));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(["qwen2.5:7b", "publisher/vision-model:free"])("in-14: retrieves %s", async (id) => {
    expect(await client.models.retrieve(id)).toMatchObject({ id, object: "model" });
  });

  it("in-14: gets NotFoundError for an unknown one", async () => {
    await expect(client.models.retrieve("nobody/nothing")).rejects.toThrow(OpenAI.NotFoundError);
  });
});

describe("openai for Node, moderations", () => {
  it("judges several texts", async () => {
    const { results } = await client.moderations.create({
      model: "omni-moderation-latest",
      input: ["Hello!", "I will attack you"],
    });
    expect(results.map(({ flagged }) => flagged)).toEqual([false, true]);
    expect(results[1]!.categories.violence).toBe(true);
  });
});

describe("openai for Node, responses", () => {
  const model = CHAT_MODELS.openai;

  it("in-10: gets the text and usage", async () => {
    const reply = await client.responses.create({ model, input: "Hello!", instructions: "Be brief" });
    expect(reply).toMatchObject({ object: "response", status: "completed", model });
    expect(reply.output_text).not.toBe("");
    expect(reply.usage!.total_tokens).toBe(reply.usage!.input_tokens + reply.usage!.output_tokens);
  });

  it("in-10: streams events that join to the whole text", async () => {
    const stream = await client.responses.create({ model, input: "Hello!", stream: true });
    let text = "";
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.completed") {
        expect(event.response.model).toBe(model);
        expect(text).not.toBe("");
        expect(event.response.output[0]).toMatchObject({ content: [{ text }] });
      }
    }
    expect(types[0]).toBe("response.created");
    expect(types.at(-1)).toBe("response.completed");
  });

  it("in-10: the stream helper builds the final response, with tool calls", async () => {
    const { name, parameters } = weather.function;
    const final = await client.responses
      .stream({
        model,
        input: "How is the weather?",
        tools: [{ type: "function", name, parameters: parameters!, strict: false }],
      })
      .finalResponse();
    expect(final.output).toMatchObject([{ type: "function_call", name, arguments: '{"city":"Rome"}' }]);
  });
});
