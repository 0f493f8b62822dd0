import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { makeTokens } from "../../playground/src/tokens.ts";
import { post, postForChunks, postForJson, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
let url: string;
beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", reasoningField: "reasoning_content" });
  url = `${backend.url}/v1/chat/completions`;
});
afterAll(() => backend.close());

const user = (content: unknown) => ({ role: "user", content });
const ask = (content: unknown, more: Json = {}) => ({
  model: "gpt-4o-mini",
  messages: [user(content)],
  ...more,
});
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", enum: ["Paris", "Rome"] },
        days: { type: "integer", minimum: 3 },
      },
    },
  },
};
const clock = { type: "function", function: { name: "get_clock" } };

describe("a whole answer", () => {
  it("has the shape of a chat completion, with three counts that add up", async () => {
    const reply = await postForJson(url, ask("Hello"));
    expect(reply).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion",
      created: expect.any(Number),
      model: "gpt-4o-mini",
      choices: [
        { index: 0, message: { role: "assistant", refusal: null }, finish_reason: "stop", logprobs: null },
      ],
      usage: { completion_tokens: 24, prompt_tokens_details: {}, completion_tokens_details: {} },
    });
    expect(reply.usage.total_tokens).toBe(reply.usage.prompt_tokens + reply.usage.completion_tokens);
  });

  it("is the same for the same prompt and another for another", async () => {
    const text = async (prompt: string) => (await postForJson(url, ask(prompt))).choices[0].message.content;
    expect(await text("one")).toBe(await text("one"));
    expect(await text("one")).not.toBe(await text("two"));
  });

  it("ends by length at the number of tokens asked for", async () => {
    const reply = await postForJson(url, ask("Hello", { max_tokens: 5 }));
    expect(reply.choices[0].finish_reason).toBe("length");
    expect(reply.usage.completion_tokens).toBe(5);
  });

  it("stops before a stop string", async () => {
    const whole = (await postForJson(url, ask("Hello"))).choices[0].message.content as string;
    const stop = whole.split(" ")[4]!;
    const cut = (await postForJson(url, ask("Hello", { stop: [stop] }))).choices[0];
    expect(cut.message.content).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(cut.finish_reason).toBe("stop");
  });

  it("acknowledges pictures", async () => {
    const parts = [
      { type: "text", text: "What is this?" },
      { type: "image_url", image_url: { url: "data:," } },
    ];
    const reply = await postForJson(url, ask(parts));
    expect(reply.choices[0].message.content).toMatch(/^I see 1 image: /);
  });

  it("is JSON that fits the schema asked for", async () => {
    const schema = {
      type: "object",
      properties: { name: { $ref: "#/$defs/Name" }, tags: { type: "array", items: { type: "boolean" } } },
      $defs: { Name: { type: "string", enum: ["Ada"] } },
    };
    const response_format = { type: "json_schema", json_schema: { name: "person", schema } };
    const reply = await postForJson(url, ask("Who?", { response_format }));
    expect(JSON.parse(reply.choices[0].message.content)).toEqual({ name: "Ada", tags: [true] });
  });

  it("is a JSON object when one is asked for", async () => {
    const reply = await postForJson(url, ask("Who?", { response_format: { type: "json_object" } }));
    expect(JSON.parse(reply.choices[0].message.content)).toEqual({ answer: expect.any(String) });
  });

  it("carries reasoning in the configured field and counts it", async () => {
    const reply = await postForJson(url, ask("Think", { reasoning_effort: "low" }));
    expect(reply.choices[0].message.reasoning_content).not.toBe("");
    expect(reply.usage.completion_tokens_details.reasoning_tokens).toBe(8);
  });
});

describe("a streamed answer", () => {
  it("opens with the role, closes with an empty delta and its finish reason, all under one id", async () => {
    const chunks = await postForChunks(url, ask("Hello"));
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
    expect(chunks[0]!.choices[0]).toMatchObject({
      delta: { role: "assistant", content: "" },
      finish_reason: null,
    });
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
    expect(chunks.slice(1, -1).every(({ choices }) => choices[0].finish_reason === null)).toBe(true);
  });

  it("joins to the whole answer", async () => {
    const chunks = await postForChunks(url, ask("Hello"));
    const joined = chunks.map(({ choices }) => choices[0].delta.content ?? "").join("");
    expect(joined).toBe((await postForJson(url, ask("Hello"))).choices[0].message.content);
  });

  it("has characters of one, two, three and four bytes when it is long enough", () => {
    const sizes = Array.from(makeTokens("any", 200).join(""), (character) => Buffer.byteLength(character));
    expect(new Set(sizes)).toEqual(new Set([1, 2, 3, 4]));
  });

  it("has no usage anywhere unless asked", async () => {
    const chunks = await postForChunks(url, ask("Hello"));
    expect(chunks.some((chunk) => "usage" in chunk)).toBe(false);
  });

  it("has usage null in other chunks and one more chunk without choices when asked", async () => {
    const whole = await postForJson(url, ask("Hello"));
    const chunks = await postForChunks(url, ask("Hello", { stream_options: { include_usage: true } }));
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(chunks.at(-2)!.choices[0].finish_reason).toBe("stop");
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it("interleaves several choices by index", async () => {
    const chunks = await postForChunks(url, ask("Hello", { n: 3 }));
    expect(chunks.slice(0, 6).map(({ choices }) => choices[0].index)).toEqual([0, 1, 2, 0, 1, 2]);
    const whole = await postForJson(url, ask("Hello", { n: 3 }));
    for (const index of [0, 1, 2]) {
      const own = chunks.filter(({ choices }) => choices[0].index === index);
      const text = own.map(({ choices }) => choices[0].delta.content ?? "").join("");
      expect(text).toBe(whole.choices[index].message.content);
      expect(own.at(-1)!.choices[0].finish_reason).toBe("stop");
    }
    expect(new Set(whole.choices.map(({ message }: Json) => message.content)).size).toBe(3);
  });
});

describe("tools", () => {
  it("are called when the user speaks of them, their arguments fitting the schema", async () => {
    const reply = await postForJson(url, ask("How is the weather?", { tools: [weather, clock] }));
    const { message, finish_reason } = reply.choices[0];
    expect(finish_reason).toBe("tool_calls");
    expect(message.content).toBeNull();
    expect(message.tool_calls).toHaveLength(1);
    expect(message.tool_calls[0]).toMatchObject({ type: "function", function: { name: "get_weather" } });
    expect(JSON.parse(message.tool_calls[0].function.arguments)).toEqual({ city: "Paris", days: 3 });
  });

  it("are left alone when the user speaks of something else, or with tool_choice none", async () => {
    for (const body of [
      ask("Hello", { tools: [weather] }),
      ask("How is the weather?", { tools: [weather], tool_choice: "none" }),
    ]) {
      expect((await postForJson(url, body)).choices[0].finish_reason).toBe("stop");
    }
  });

  it("are forced by tool_choice", async () => {
    const forced = {
      tools: [weather, clock],
      tool_choice: { type: "function", function: { name: "get_clock" } },
    };
    const named = (await postForJson(url, ask("Hello", forced))).choices[0].message.tool_calls;
    expect(named[0].function).toEqual({ name: "get_clock", arguments: "{}" });
    const required = await postForJson(url, ask("Hello", { tools: [weather], tool_choice: "required" }));
    expect(required.choices[0].message.tool_calls[0].function.name).toBe("get_weather");
  });

  it("stream two calls, each with id and name first and its arguments in pieces", async () => {
    const body = ask("Tell me the weather and read the clock.", { tools: [weather, clock] });
    const chunks = await postForChunks(url, body);
    const deltas = chunks.flatMap(({ choices }) => (choices[0].delta.tool_calls ?? []) as Json[]);
    for (const [index, [name, args]] of [
      ["get_weather", { city: "Paris", days: 3 }],
      ["get_clock", {}],
    ].entries()) {
      const [first, ...pieces] = deltas.filter((delta) => delta.index === index);
      expect(first).toMatchObject({
        id: expect.stringMatching(/^call_/),
        type: "function",
        function: { name },
      });
      expect(pieces.every((piece) => !("id" in piece) && !("name" in piece.function))).toBe(true);
      expect(JSON.parse(pieces.map((piece) => piece.function.arguments).join(""))).toEqual(args);
    }
    expect(chunks.at(-1)!.choices[0].finish_reason).toBe("tool_calls");
  });

  it("are called one at a time with parallel_tool_calls false", async () => {
    const body = ask("Tell me the weather and read the clock.", {
      tools: [weather, clock],
      parallel_tool_calls: false,
    });
    expect((await postForJson(url, body)).choices[0].message.tool_calls).toHaveLength(1);
  });

  it("are answered with a text that repeats their results", async () => {
    const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: "{}" } };
    const reply = await postForJson(url, {
      model: "gpt-4o-mini",
      tools: [weather],
      messages: [
        user("How is the weather?"),
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "call_1", content: "18 degrees" },
      ],
    });
    expect(reply.choices[0].finish_reason).toBe("stop");
    expect(reply.choices[0].message.content).toMatch(/^The tool answered 18 degrees, /);
  });
});

describe("a bad request", () => {
  it.each([
    ["an unknown model", { model: "gpt-9", messages: [] }, 404, { code: "model_not_found", param: "model" }],
    ["no model", { messages: [] }, 400, { param: "model" }],
    ["no messages", { model: "gpt-4o-mini" }, 400, { param: "messages" }],
    ["no possible number of choices", ask("Hello", { n: 0 }), 400, { param: "n" }],
  ])("with %s gets an error in OpenAI's shape", async (_, body, status, error) => {
    const reply = await post(url, body);
    expect(reply.status).toBe(status);
    const sent = (await reply.json()) as Json;
    expect(sent.error).toMatchObject({
      type: "invalid_request_error",
      message: expect.any(String),
      ...error,
    });
  });

  it("that is broken JSON gets 400", async () => {
    const reply = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    expect(reply.status).toBe(400);
  });
});
