import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { post, postForEvents, postForJson, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
let url: string;
beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", tokens: 3 });
  url = `${backend.url}/v1/responses`;
});
afterAll(() => backend.close());

const ask = (more: Json = {}) => ({ model: "gpt-4o-mini", input: "Hello", ...more });
const tools = [
  {
    type: "function",
    name: "get_weather",
    parameters: { type: "object", properties: { city: { const: "Rome" } } },
  },
];

async function stream(body: Json): Promise<Json[]> {
  const events = await postForEvents(url, { ...body, stream: true });
  return events.map(({ type, data }) => {
    const event = JSON.parse(data) as Json;
    expect(event.type).toBe(type);
    return event;
  });
}

describe("a whole response", () => {
  it("has a message with its text, and usage under the names of this API", async () => {
    const reply = await postForJson(url, ask({ instructions: "Be brief", metadata: { a: "b" } }));
    expect(reply).toMatchObject({
      id: expect.stringMatching(/^resp_/),
      object: "response",
      status: "completed",
      error: null,
      instructions: "Be brief",
      metadata: { a: "b" },
      output: [
        { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text" }] },
      ],
      usage: { output_tokens: 3, input_tokens_details: { cached_tokens: 0 } },
    });
    expect(reply).not.toHaveProperty("output_text");
  });

  it("is incomplete when it meets max_output_tokens", async () => {
    const reply = await postForJson(url, ask({ max_output_tokens: 1 }));
    expect(reply).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
    });
  });

  it("fits the flat format of text", async () => {
    const format = {
      type: "json_schema",
      name: "n",
      schema: { type: "object", properties: { a: { const: 1 } } },
    };
    const reply = await postForJson(url, ask({ text: { format } }));
    expect(JSON.parse(reply.output[0].content[0].text)).toEqual({ a: 1 });
  });

  it("answers tool results given as items", async () => {
    const input = [
      { role: "user", content: [{ type: "input_text", text: "The weather?" }] },
      { type: "function_call", call_id: "call_1", name: "get_weather", arguments: "{}" },
      { type: "function_call_output", call_id: "call_1", output: "sunny" },
    ];
    const reply = await postForJson(url, ask({ input, tools }));
    expect(reply.output[0].content[0].text).toMatch(/^The tool answered sunny, /);
  });
});

describe("a streamed response", () => {
  it("climbs the ladder of a message, numbered from 0 without gaps, and ends with the whole", async () => {
    const events = await stream(ask());
    expect(events.map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const deltas = events.filter(({ type }) => type === "response.output_text.delta");
    const { response } = events.at(-1)!;
    expect(deltas.map(({ delta }) => delta).join("")).toBe(response.output[0].content[0].text);
    expect(new Set(deltas.map((event) => event.item_id))).toEqual(new Set([response.output[0].id]));
    expect(events[0]!.response).toMatchObject({
      id: response.id,
      status: "in_progress",
      output: [],
      usage: null,
    });
  });

  it("climbs the ladder of a function call", async () => {
    const events = await stream(ask({ tools, tool_choice: "required" }));
    const deltas = events.filter(({ type }) => type === "response.function_call_arguments.delta");
    expect(JSON.parse(deltas.map(({ delta }) => delta).join(""))).toEqual({ city: "Rome" });
    const done = events.find(({ type }) => type === "response.function_call_arguments.done")!;
    expect(done).toMatchObject({ name: "get_weather", arguments: '{"city":"Rome"}' });
    expect(events.at(-1)!.response.output[0]).toMatchObject({ type: "function_call", status: "completed" });
  });

  it("puts reasoning before the message", async () => {
    const events = await stream(ask({ reasoning: { effort: "low", summary: "auto" } }));
    const done = events.filter(({ type }) => type === "response.output_item.done");
    expect(done.map((event) => `${event.output_index} ${event.item.type}`)).toEqual([
      "0 reasoning",
      "1 message",
    ]);
    expect(events.at(-1)!.response.usage.output_tokens_details.reasoning_tokens).toBe(8);
  });

  it("ends incomplete when it meets max_output_tokens", async () => {
    expect((await stream(ask({ max_output_tokens: 1 }))).at(-1)!.type).toBe("response.incomplete");
  });
});

describe("state", () => {
  it("knows a stored response again until it is deleted", async () => {
    const { id } = await postForJson(url, ask());
    expect(((await (await fetch(`${url}/${id}`)).json()) as Json).id).toBe(id);
    expect((await post(url, ask({ previous_response_id: id }))).status).toBe(200);
    await fetch(`${url}/${id}`, { method: "DELETE" });
    expect((await fetch(`${url}/${id}`)).status).toBe(404);
    const gone = await post(url, ask({ previous_response_id: id }));
    expect(gone.status).toBe(400);
    expect(await gone.json()).toMatchObject({ error: { code: "previous_response_not_found" } });
  });

  it("does not keep a response with store false", async () => {
    const { id } = await postForJson(url, ask({ store: false }));
    expect((await fetch(`${url}/${id}`)).status).toBe(404);
  });
});
