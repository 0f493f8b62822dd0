import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sign } from "../../playground/src/signature.ts";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { parseEvents, post, type Json } from "./_calls.ts";

const model = "claude-sonnet-4-6";
const VERSION = { "anthropic-version": "2023-06-01" };
let backend: SimulatedBackend;
beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "anthropic", models: [model], tokens: 4 });
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

const user = (content: unknown): Json => ({ role: "user", content });
const assistant = (content: unknown): Json => ({ role: "assistant", content });
const ask = { model, max_tokens: 100, messages: [user("Hello!")] };
const tools = ["get_weather", "get_time"].map((name) => ({
  name,
  input_schema: { type: "object", properties: { place: { const: "Rome" } } },
}));
const use = (id: string): Json => ({ type: "tool_use", id, name: "get_weather", input: {} });
const result = (id: string): Json => ({ type: "tool_result", tool_use_id: id, content: "sunny" });

const send = (body: Json, path = "/v1/messages", headers: Record<string, string> = VERSION) =>
  post(backend.url + path, body, { headers });
async function call(body: Json): Promise<Json> {
  return (await (await send({ ...ask, ...body })).json()) as Json;
}
async function events(body: Json): Promise<Json[]> {
  const sent = parseEvents(await (await send({ ...ask, stream: true, ...body })).text());
  for (const { type, data } of sent) expect((JSON.parse(data) as Json).type).toBe(type);
  return sent.map(({ data }) => JSON.parse(data) as Json);
}

describe("/v1/messages", () => {
  it("answers a message with what it cost", async () => {
    backend.settings.cachedTokens = 2;
    expect(await call({})).toMatchObject({
      id: expect.stringMatching(/^msg_/),
      type: "message",
      role: "assistant",
      content: [{ type: "text", text: expect.stringMatching(/./) }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { cache_read_input_tokens: 2, output_tokens: 4 },
    });
  });

  it("streams by named events in the vendor's order, a ping among them", async () => {
    const sent = await events({ thinking: { type: "adaptive" } });
    const types = sent.map(({ type }) => type as string).filter((type, at, all) => type !== all[at - 1]);
    expect(types).toEqual([
      "message_start",
      "ping",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const thinking = sent.map(({ delta }) => delta?.thinking ?? "").join("");
    const signature = sent.find(({ delta }) => delta?.type === "signature_delta")!.delta.signature;
    expect(signature).toBe(sign(thinking));
  });

  it("calls tools, their input in pieces of which the first is empty", async () => {
    const sent = await events({ tools, messages: [user("The weather and the time?")] });
    const pieces = sent.filter(({ delta }) => delta?.type === "input_json_delta");
    const inputs = [0, 1].map((index) =>
      pieces.filter((piece) => piece.index === index).map(({ delta }) => delta.partial_json as string),
    );
    expect(inputs.map((input) => input[0])).toEqual(["", ""]);
    expect(inputs.map((input) => JSON.parse(input.join("")) as unknown)).toEqual([
      { place: "Rome" },
      { place: "Rome" },
    ]);
    expect(sent.at(-2)!.delta.stop_reason).toBe("tool_use");
  });

  it.each([
    ["end_turn", null, {}],
    ["max_tokens", null, { max_tokens: 2 }],
    ["stop_sequence", " three", { stop_sequences: [" three"] }],
  ])("tells that it ended by %s", async (stop_reason, stop_sequence, body) => {
    backend.settings.text = "one two three four";
    expect(await call(body)).toMatchObject({ stop_reason, stop_sequence });
  });

  it("tells that it refused", async () => {
    backend.settings.filtered = true;
    expect(await call({})).toMatchObject({ stop_reason: "refusal", stop_details: { type: "refusal" } });
  });

  it.each<[string, Json]>([
    ["max_tokens: Field required", { max_tokens: undefined }],
    ["seed: Extra inputs are not permitted", { seed: 1 }],
    ["messages: at least one", { messages: [] }],
    ["messages.0.role", { messages: [{ role: "tool", content: "a" }] }],
    ['first message must use the "user" role', { messages: [assistant("a")] }],
    ["non-empty", { messages: [user([{ type: "text", text: "" }])] }],
    ["does not match any", { messages: [user([{ type: "image_url", image_url: {} }])] }],
    ["media_type", { messages: [user([image("image/bmp")])] }],
    ["without `tool_result` blocks", { messages: [user("a"), assistant([use("t1")]), user("b")] }],
    ["unexpected `tool_use_id`", { messages: [user("a"), assistant("b"), user([result("t1")])] }],
    [
      "must come before all other content",
      {
        messages: [user("a"), assistant([use("t1")]), user([{ type: "text", text: "b" }, result("t1")])],
      },
    ],
    [
      "must be unique",
      {
        messages: [
          user("a"),
          assistant([use("t1")]),
          user([result("t1")]),
          assistant([use("t1")]),
          user([result("t1")]),
        ],
      },
    ],
    ["Invalid `signature`", { messages: [user("a"), assistant([thought("forged")]), user("b")] }],
    ["input_schema.type", { tools: [{ name: "f", input_schema: {} }] }],
    ["only be specified while providing tools", { tool_choice: { type: "auto" } }],
    ["temperature: range", { temperature: 1.5 }],
    ["cannot both be specified", { temperature: 0.5, top_p: 0.5 }],
    ["may only be set to 1", { temperature: 0.5, thinking: { type: "adaptive" } }],
    [
      "must be greater than `thinking.budget_tokens`",
      { thinking: { type: "enabled", budget_tokens: 1_024 } },
    ],
    ["forces tool use", { tools, tool_choice: { type: "any" }, thinking: { type: "adaptive" } }],
    [
      "Expected `thinking`",
      {
        max_tokens: 2_000,
        thinking: { type: "enabled", budget_tokens: 1_024 },
        messages: [user("a"), assistant([use("t1")]), user([result("t1")])],
      },
    ],
    ["output_config.format", { output_config: { format: { type: "json_object" } } }],
  ])("refuses as the vendor: %s", async (message, body) => {
    const reply = await send({ ...ask, ...body });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({
      type: "error",
      error: { type: "invalid_request_error", message: expect.stringContaining(message) },
    });
  });

  it("takes results of calls, texts behind them, and thoughts that it signed", async () => {
    const messages = [
      user("a"),
      assistant([thought(sign("Hm")), use("t1")]),
      user([result("t1"), { type: "text", text: "b" }]),
    ];
    expect((await send({ ...ask, messages, tools })).status).toBe(200);
  });

  it("takes no sampling under the later version, and nothing without one", async () => {
    const sampled = { ...ask, temperature: 1 };
    expect((await send(sampled, "/v1/messages", { "anthropic-version": "2026-10-21" })).status).toBe(400);
    expect((await send(ask, "/v1/messages", {})).status).toBe(400);
  });

  it("takes its key in either header", async () => {
    backend.settings.requireKey = "k";
    for (const headers of [{ "x-api-key": "k" }, { authorization: "Bearer k" }] as Record<string, string>[])
      expect((await send(ask, "/v1/messages", { ...VERSION, ...headers })).status).toBe(200);
    const reply = await send(ask);
    expect(reply.status).toBe(401);
    expect(((await reply.json()) as Json).error.type).toBe("authentication_error");
  });

  it("reports an error inside a stream", async () => {
    backend.faults = [{ kind: "stream_error", afterEvents: 3, code: "overloaded_error" }];
    const sent = await events({});
    expect(sent.at(-1)).toMatchObject({ type: "error", error: { type: "overloaded_error" } });
  });
});

function image(media_type: string): Json {
  return { type: "image", source: { type: "base64", media_type, data: "AAAA" } };
}

function thought(signature: string): Json {
  return { type: "thinking", thinking: "Hm", signature };
}

describe("beside it", () => {
  it("counts tokens, and lists its models", async () => {
    const { max_tokens: _, ...counted } = ask;
    const count = (await (await send(counted, "/v1/messages/count_tokens")).json()) as Json;
    expect(count).toEqual({ input_tokens: expect.any(Number) });
    const list = await fetch(`${backend.url}/v1/models`, { headers: VERSION });
    expect(await list.json()).toMatchObject({ data: [{ type: "model", id: model }], has_more: false });
  });

  it("does not know other models", async () => {
    const reply = await send({ ...ask, model: "nosuch" });
    expect(reply.status).toBe(404);
    expect(await reply.json()).toMatchObject({
      error: { type: "not_found_error", message: "model: nosuch" },
    });
  });
});
