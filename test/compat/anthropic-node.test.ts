import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import EarlierAnthropic from "anthropic-sdk-0";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

const KEY = "sk-gateway-0123456789abcdefghij";
const MODEL_OF_ANTHROPIC = "claude-opus-5-5";

let rig: Rig;
/** Before a backend that speaks the dialect itself: the rig's gateway, seen from outside. */
let relay: TestGateway;
beforeAll(async () => {
  rig = await startRig([
    apiKeys({ keys: [{ id: "tester", key: KEY }] }),
    anthropicApi({ reasoningEfforts: { "qwen2.5:*": ["none", "low", "medium", "high"] } }),
  ]);
  const models = { [MODEL_OF_ANTHROPIC]: { targets: [{ backend: "upstream", model: CHAT_MODELS.openai }] } };
  relay = await startTestGateway({
    backends: {
      upstream: { adapter: "anthropic", baseURL: rig.gateway.url, apiKey: KEY, models: [CHAT_MODELS.openai] },
    },
    models,
    plugins: [anthropicApi()],
  });
});
beforeEach(() => resetBackends(rig));
afterAll(async () => {
  await relay.close();
  await rig[Symbol.asyncDispose]();
});

type Options = ConstructorParameters<typeof Anthropic>[0];

const SDKS = {
  "1.11": (options: Options) => new Anthropic(options),
  // The calls made here are the same in both; only some types of theirs are not.
  "0.137": (options: Options) =>
    new EarlierAnthropic(
      options as ConstructorParameters<typeof EarlierAnthropic>[0],
    ) as unknown as Anthropic,
};
const PLACES = ["openai", "ollama", "anthropic"] as const;
const CASES = (Object.keys(SDKS) as (keyof typeof SDKS)[]).flatMap((sdk) =>
  PLACES.map((place) => [sdk, place] as const),
);

const hello: Anthropic.MessageParam[] = [{ role: "user", content: "Hello!" }];
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==";

/** A tool whose calls of simulated models always have these arguments. */
function toolFor(name: string, argument: string, value: string): Anthropic.Tool {
  const input_schema = {
    type: "object" as const,
    properties: { [argument]: { const: value } },
    required: [argument],
  };
  return { name, description: `Use ${name}`, input_schema };
}
const tools = [toolFor("get_weather", "city", "Rome"), toolFor("get_time", "zone", "UTC")];
const askBoth: Anthropic.MessageParam[] = [
  { role: "user", content: "What is the weather, and what the time?" },
];

function textOf({ content }: Pick<Anthropic.Message, "content">): string {
  return content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

function callsOf({ content }: Pick<Anthropic.Message, "content">): { name: string; input: unknown }[] {
  return content.flatMap((block) =>
    block.type === "tool_use" ? { name: block.name, input: block.input } : [],
  );
}
const BOTH_CALLS = [
  { name: "get_weather", input: { city: "Rome" } },
  { name: "get_time", input: { zone: "UTC" } },
];

function resultsFor(message: Anthropic.Message): Anthropic.MessageParam[] {
  const content = message.content.flatMap((block) =>
    block.type === "tool_use"
      ? { type: "tool_result" as const, tool_use_id: block.id, content: `${block.name} is fine` }
      : [],
  );
  return [...askBoth, { role: "assistant", content: message.content }, { role: "user", content }];
}

describe.each(CASES)("@anthropic-ai/sdk %s on the %s backend", (sdk, place) => {
  const model = place === "anthropic" ? MODEL_OF_ANTHROPIC : CHAT_MODELS[place];
  const backend = () => rig[place === "ollama" ? "ollama" : "openai"];
  const connect = (options: Options = {}): Anthropic =>
    SDKS[sdk]({
      baseURL: place === "anthropic" ? relay.url : rig.gateway.url,
      apiKey: KEY,
      maxRetries: 0,
      ...options,
    });

  it("in-11: gets the text, the model it asked for, and usage", async () => {
    const message = await connect().messages.create({ model, max_tokens: 5, messages: hello });
    expect(message).toMatchObject({ type: "message", role: "assistant", model, stop_reason: "max_tokens" });
    expect(textOf(message)).not.toBe("");
    expect(message.usage.output_tokens).toBe(5);
    expect(message.usage.input_tokens).toBeGreaterThan(0);
    expect(message.id).toMatch(/^msg_/);
    expect(message._request_id).toMatch(/./);
    expect(JSON.stringify(backend().requests.map(({ rawHeaders }) => rawHeaders))).not.toContain(KEY);
  });

  it("st-4: streams what it answers whole", async () => {
    const whole = await connect().messages.create({ model, max_tokens: 100, messages: hello });
    const pieces: string[] = [];
    const stream = connect().messages.stream({ model, max_tokens: 100, messages: hello });
    stream.on("text", (piece) => pieces.push(piece));
    const final = await stream.finalMessage();
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(textOf(whole));
    const { id: _, _request_id: __, ...same } = whole;
    expect(final).toMatchObject({ ...same, content: [{ type: "text", text: pieces.join("") }] });
    expect(final.usage).toEqual(whole.usage);
  });

  it("in-11: takes calls of tools, sends their results and gets the answer", async () => {
    const ask = { model, max_tokens: 300, tools, messages: askBoth };
    const message = await connect().messages.create(ask);
    expect(message.stop_reason).toBe("tool_use");
    expect(callsOf(message)).toEqual(BOTH_CALLS);
    const answer = await connect().messages.create({ ...ask, messages: resultsFor(message) });
    expect(answer.stop_reason).toBe("end_turn");
    expect(textOf(answer)).toContain("get_weather is fine and get_time is fine");
  });

  it("st-4: the same streamed", async () => {
    const ask = { model, max_tokens: 300, tools, messages: askBoth };
    const inputs: string[] = [];
    const stream = connect().messages.stream(ask);
    stream.on("inputJson", (piece) => inputs.push(piece));
    const message = await stream.finalMessage();
    expect(message.stop_reason).toBe("tool_use");
    expect(callsOf(message)).toEqual(BOTH_CALLS);
    expect(inputs.join("")).toBe('{"city":"Rome"}{"zone":"UTC"}');
    const answer = await connect()
      .messages.stream({ ...ask, messages: resultsFor(message) })
      .finalMessage();
    expect(textOf(answer)).toContain("get_weather is fine and get_time is fine");
  });

  it.each([false, true])("in-11: lets its tool runner run the tools (streamed: %s)", async (streamed) => {
    const asked: unknown[] = [];
    const weather = betaZodTool({
      name: "get_weather",
      description: "Use get_weather",
      inputSchema: z.object({ city: z.literal("Rome") }),
      run: (input) => {
        asked.push(input);
        return "get_weather is fine";
      },
    });
    const ask = { model, max_tokens: 300, tools: [weather], messages: askBoth };
    const runner = streamed
      ? connect().beta.messages.toolRunner({ ...ask, stream: true })
      : connect().beta.messages.toolRunner({ ...ask, stream: false });
    const answer = await runner.runUntilDone();
    expect(asked).toEqual([{ city: "Rome" }]);
    expect(answer.stop_reason).toBe("end_turn");
    expect(textOf(answer as Anthropic.Message)).toContain("get_weather is fine");
    for (const { json } of backend().requests) expect(json).not.toHaveProperty("thread");
  });

  it("in-11: shows an image", async () => {
    const source = { type: "base64" as const, media_type: "image/png" as const, data: PIXEL };
    const content = [
      { type: "image" as const, source },
      { type: "text" as const, text: "What is it?" },
    ];
    const message = await connect().messages.create({
      model,
      max_tokens: 300,
      messages: [{ role: "user", content }],
    });
    expect(textOf(message)).toContain("I see 1 image");
  });

  it("gets JSON by a schema, read by the helper", async () => {
    const shape = z.object({ city: z.string(), degrees: z.number() });
    const message = await connect().messages.parse({
      model,
      max_tokens: 300,
      messages: hello,
      output_config: { format: zodOutputFormat(shape) },
    });
    expect(shape.safeParse(message.parsed_output).success).toBe(true);
  });

  it("in-11: takes the beta surface, with what only the vendor has left out", async () => {
    const message = await connect().beta.messages.create({
      model,
      max_tokens: 50,
      betas: ["context-management-2025-06-27"],
      context_management: { edits: [{ type: "clear_tool_uses_20250919" }] },
      system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content: "Hello!" }],
    });
    expect(message.stop_reason).toBe("end_turn");
    expect(JSON.stringify(backend().requests[0]!.json)).not.toMatch(/context_management|cache_control|betas/);
  });

  it("gets NotFoundError for an unknown model", async () => {
    const call = connect().messages.create({ model: "nosuch", max_tokens: 5, messages: hello });
    await expect(call).rejects.toMatchObject({
      status: 404,
      type: "not_found_error",
      requestID: expect.stringMatching(/./) as string,
      error: { error: { details: { error_code: "model_not_found" } } },
    });
  });

  it("gets RateLimitError, and tries again by itself", async () => {
    backend().faults = [{ kind: "status", status: 429, headers: { "retry-after": "7" } }];
    const ask = { model, max_tokens: 5, messages: hello };
    const error: unknown = await connect()
      .messages.create(ask)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 429, type: "rate_limit_error" });
    expect((error as InstanceType<typeof Anthropic.APIError>).headers!.get("retry-after")).toBe("7");
    backend().faults = [{ kind: "status", status: 429, headers: { "retry-after-ms": "1" } }];
    expect((await connect({ maxRetries: 1 }).messages.create(ask)).model).toBe(model);
  });

  it("gets InternalServerError where the backend fails", async () => {
    backend().faults = [{ kind: "status", status: 500 }];
    const call = connect().messages.create({ model, max_tokens: 5, messages: hello });
    await expect(call).rejects.toMatchObject({ status: 502, type: "api_error" });
  });

  it("E9: throws when the backend dies in the middle of a stream", async () => {
    backend().faults = [{ kind: "cut", afterEvents: 4 }];
    const stream = connect().messages.stream({ model, max_tokens: 100, messages: hello });
    const pieces: string[] = [];
    stream.on("text", (piece) => pieces.push(piece));
    await expect(stream.finalMessage()).rejects.toMatchObject({ type: "api_error" });
    expect(pieces.length).toBeGreaterThan(0);
  });

  it("lists models", async () => {
    const ids: string[] = [];
    for await (const { id } of connect().models.list()) ids.push(id);
    expect(ids).toContain(model);
    const oneByOne: string[] = [];
    for await (const { id } of connect().models.list({ limit: 1 })) oneByOne.push(id);
    expect(oneByOne).toEqual(ids);
    expect((await connect().models.retrieve(model)).type).toBe("model");
  });
});

describe.each(Object.keys(SDKS) as (keyof typeof SDKS)[])("@anthropic-ai/sdk %s", (sdk) => {
  const connect = (options: Options = {}): Anthropic =>
    SDKS[sdk]({ baseURL: rig.gateway.url, apiKey: KEY, maxRetries: 0, ...options });

  it("ac-2: gets AuthenticationError for a wrong key", async () => {
    const client = connect({ apiKey: "sk-gateway-nobody-has-this-one" });
    const call = client.messages.create({ model: CHAT_MODELS.openai, max_tokens: 5, messages: hello });
    await expect(call).rejects.toMatchObject({ status: 401, type: "authentication_error" });
    expect(rig.openai.requests).toHaveLength(0);
  });

  it("forces tools", async () => {
    const ask = { model: CHAT_MODELS.openai, max_tokens: 100, tools, messages: hello };
    const any = await connect().messages.create({ ...ask, tool_choice: { type: "any" } });
    expect(callsOf(any)).toEqual(BOTH_CALLS.slice(0, 1));
    const named = await connect().messages.create({
      ...ask,
      tool_choice: { type: "tool", name: "get_time", disable_parallel_tool_use: true },
    });
    expect(callsOf(named)).toEqual(BOTH_CALLS.slice(1));
    expect(rig.openai.requests.at(-1)!.json).toMatchObject({ parallel_tool_calls: false });
  });

  it("in-11: sees the model think, and hands its thoughts back", async () => {
    const model = CHAT_MODELS.ollama;
    const thinking = { type: "enabled" as const, budget_tokens: 2_000 };
    const ask = { model, max_tokens: 3_000, thinking, messages: hello };
    const message = await connect().messages.create(ask);
    expect(message.content.map(({ type }) => type)).toEqual(["thinking", "text"]);
    expect(rig.ollama.requests[0]!.json).toMatchObject({ think: "low" });

    const thoughts: string[] = [];
    const stream = connect().messages.stream(ask);
    stream.on("thinking", (piece) => thoughts.push(piece));
    const final = await stream.finalMessage();
    expect(final.content).toEqual(message.content);
    expect(message.content[0]).toMatchObject({ thinking: thoughts.join("") });

    const next: Anthropic.MessageParam[] = [
      ...hello,
      { role: "assistant", content: message.content },
      { role: "user", content: "And?" },
    ];
    await connect().messages.create({ ...ask, messages: next });
    expect(rig.ollama.requests.at(-1)!.json).toMatchObject({
      messages: [{}, { role: "assistant", thinking: thoughts.join("") }, {}],
    });
  });

  it("gets 501 at once where nobody counts tokens", async () => {
    const call = connect({ maxRetries: 2 }).messages.countTokens({
      model: CHAT_MODELS.openai,
      messages: hello,
    });
    await expect(call).rejects.toMatchObject({ status: 501, type: "api_error" });
    expect(rig.openai.requests).toHaveLength(0);
  });
});
