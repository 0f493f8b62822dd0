import { describe, expect, it } from "vitest";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import {
  chatOnly,
  eventsIn,
  lastMessages,
  MODEL,
  native,
  ollama,
  simulatedChat,
  stageOf,
  startAccount,
  textOf,
} from "./_responses/stage.ts";
import { answering, EVENT_STREAM, scripted, streamReply } from "./_stage.ts";

const weather = {
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  strict: false,
};

describe.each([
  ["chat of OpenAI", "openai", chatOnly],
  ["chat of Ollama", "ollama", ollama],
] as const)("responses before a backend that has only %s", (_name, dialect, backendAt) => {
  it("in-10: gives the same text whole and streamed, and counts what it used", async () => {
    const backend = await simulatedChat(dialect);
    const stage = await stageOf({ main: backendAt(backend) }, [], {
      models: { asked: { targets: [{ backend: "main", model: MODEL }] } },
    });
    const whole = await stage.ask({ model: "asked", input: "Hello", instructions: "Be brief" });
    expect(whole).toMatchObject({ object: "response", status: "completed", model: "asked", store: false });
    expect(textOf(whole)).not.toBe("");
    expect(whole["usage"]).toMatchObject({ output_tokens: 4 });
    expect(lastMessages(backend)).toEqual([
      { role: "system", content: "Be brief" },
      { role: "user", content: "Hello" },
    ]);
    expect((await stage.ended()).usage).toMatchObject({ outputTokens: 4 });

    const events = await stage.stream({ model: "asked", input: "Hello", instructions: "Be brief" });
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)).toMatchObject({
      type: "response.completed",
      response: { model: "asked", usage: whole["usage"] },
    });
    expect(textOf(events.at(-1)!["response"])).toBe(textOf(whole));
    const end = await stage.ended(2);
    expect(end).toMatchObject({ outcome: "complete", usage: { outputTokens: 4 } });
  });

  it("in-3: goes round with a tool", async () => {
    const backend = await simulatedChat(dialect);
    const stage = await stageOf({ main: backendAt(backend) });
    const input: unknown[] = [{ role: "user", content: "How is the weather?" }];
    const asked = await stage.ask({ input, tools: [weather] });
    const [call] = asked["output"] as { type: string; call_id: string; arguments: string }[];
    expect(call).toMatchObject({ type: "function_call", name: "get_weather" });
    expect(JSON.parse(call!.arguments)).toHaveProperty("city");
    input.push(call, { type: "function_call_output", call_id: call!.call_id, output: "18 degrees" });
    expect(textOf(await stage.ask({ input, tools: [weather] }))).toContain("The tool answered 18 degrees");
  });

  it("st-6: ends a stream that breaks with this dialect's error event, and no clean end", async () => {
    const backend = await simulatedChat(dialect);
    backend.faults = [{ kind: "cut", afterEvents: 2 }];
    const stage = await stageOf({ main: backendAt(backend) });
    const events = await stage.stream({ input: "Hello" });
    expect(events.at(-1)).toMatchObject({ type: "error", code: "upstream_interrupted" });
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.filter(({ type }) => /\.(?:completed|incomplete|failed)$/.test(String(type)))).toEqual([]);
    expect((await stage.ended()).outcome).toBe("truncated");
  });

  it("refuses with 400 what only a vendor's account can do, naming field and backend", async () => {
    const backend = await simulatedChat(dialect);
    const stage = await stageOf({ main: backendAt(backend) });
    for (const [param, rest] of [
      ["previous_response_id", { previous_response_id: "resp_1" }],
      ["conversation", { conversation: "conv_1" }],
      ["background", { background: true }],
      ["tools[0].type", { tools: [{ type: "web_search" }] }],
      ["input[0]", { input: [{ type: "item_reference", id: "msg_1" }] }],
    ] as const) {
      const reply = await stage.call("POST", "", { model: MODEL, input: "a", ...rest });
      expect(reply.status).toBe(400);
      const { error } = (await reply.json()) as { error: { message: string } };
      expect(error).toMatchObject({ code: "unsupported_parameter", param });
      expect(error.message).toContain("`main`");
    }
    expect(backend.requests).toHaveLength(0);
  });
});

describe("responses before any server with OpenAI's API", () => {
  const compatible = ({ url }: { url: string }, rest: object = {}) => ({
    adapter: "openai-compatible",
    baseURL: `${url}/v1`,
    models: [MODEL],
    ...rest,
  });

  it("go through chat, which every such server has", async () => {
    const backend = await simulatedChat();
    const stage = await stageOf({ main: compatible(backend) });
    expect(textOf(await stage.ask({ input: "Hello" }))).not.toBe("");
    expect(backend.requests.map(({ path }) => path)).toEqual(["/v1/chat/completions"]);
  });

  it("go to its own path where the config says that there is one", async () => {
    const account = await startAccount("a");
    const stage = await stageOf({ main: compatible(account, { responses: "native" }) });
    await stage.ask({ input: "Hello" });
    expect(account.seen).toMatchObject([{ path: "/v1/responses", body: { input: "Hello" } }]);
  });

  it.each([
    ["says nothing", "<html>404 Not Found</html>", "not_found"],
    ["says no more than that", JSON.stringify({ detail: "Not Found" }), "not_found"],
    [
      "speaks of a model",
      JSON.stringify({ error: { message: "The model `m` is not loaded" } }),
      "model_not_found",
    ],
    [
      "names the model",
      JSON.stringify({ error: { message: "No endpoints found for m." } }),
      "model_not_found",
    ],
  ])("whose 404 %s is told as what it is", async (_title, body, code) => {
    const backend = await scripted(async (connection) => {
      await connection.readRequest();
      const length = Buffer.byteLength(body);
      await connection.send(replyHead(404, { "content-length": String(length) }) + body);
    });
    const stage = await stageOf({ main: compatible(backend, { responses: "native" }) });
    const reply = await stage.call("POST", "", { model: MODEL, input: "a" });
    expect(reply.status).toBe(404);
    expect(await reply.json()).toMatchObject({ error: { code } });
  });
});

it("names what it left out, from both steps of the way", async () => {
  const backend = await simulatedChat("ollama");
  const stage = await stageOf({ main: ollama(backend) });
  const reply = await stage.call("POST", "", {
    model: MODEL,
    input: "a",
    truncation: "auto",
    text: { verbosity: "low" },
  });
  expect(reply.headers.get("x-gatewright-dropped")).toBe("truncation, verbosity");
});

it("ends the response of a server that sends its usage and keeps the connection open", async () => {
  const backend = await scripted(async (connection) => {
    await connection.readRequest();
    const event = (json: object): string => `data: ${JSON.stringify(json)}\n\n`;
    await connection.send(
      replyHead(200, EVENT_STREAM) +
        chunk(event({ choices: [{ index: 0, delta: { content: "a" } }] })) +
        chunk(event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })) +
        chunk(event({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } })),
    );
  });
  const stage = await stageOf({ main: chatOnly(backend) });
  const response = await stage.call("POST", "", { model: MODEL, input: "a", stream: true });
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (text.includes("response.completed")) break;
  }
  expect(eventsIn(text).at(-1)).toMatchObject({ type: "response.completed" });
});

it("gives no two responses the same id, whatever the client calls its requests", async () => {
  const backend = await simulatedChat();
  const stage = await stageOf({ main: chatOnly(backend) });
  const headers = { "x-request-id": "same" };
  const [one, two] = [await stage.ask({ input: "a" }, headers), await stage.ask({ input: "a" }, headers)];
  expect(one["id"]).not.toBe(two["id"]);
  expect(one["id"]).toMatch(/^resp_[A-Za-z0-9]+$/);
});

it.each([
  ["Node", "call"],
  ["the web handler", "callWeb"],
] as const)("st-6: counts on where a backend of this dialect breaks off, on %s", async (_, way) => {
  const event = (type: string, sequence_number: number): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number, delta: "a" })}\n\n`;
  const ping = ": ping\n\n";
  const pieces = [event("response.created", 0), event("response.output_text.delta", 7), ping];
  const stage = await stageOf({ main: native(await answering(streamReply(...pieces))) });
  const body = { model: MODEL, input: "a", stream: true };
  const response = await (way === "call" ? stage.call("POST", "", body) : stage.callWeb(body));
  const events = eventsIn((await response.text()).replace(ping, ""));
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual([0, 7, 8]);
  expect(events.at(-1)).toMatchObject({ type: "error", code: "upstream_interrupted" });
});

describe("a response that fails", () => {
  const event = (type: string, fields: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const CREATED = event("response.created", { response: { id: "r", model: MODEL } });
  const DELTA = event("response.output_text.delta", { delta: "a" });
  const FAILED = event("response.failed", {
    response: {
      id: "r",
      model: MODEL,
      status: "failed",
      error: { code: "server_error", message: "secret words" },
      usage: { input_tokens: 3, output_tokens: 1, total_tokens: 4 },
    },
  });

  it.each([
    ["Node", "call"],
    ["the web handler", "callWeb"],
  ] as const)(
    "st-6: is told by its own last event on %s, and counts as the backend's error",
    async (_n, way) => {
      const stage = await stageOf({ main: native(await answering(streamReply(CREATED, DELTA, FAILED))) });
      const body = { model: MODEL, input: "a", stream: true };
      const response = await (way === "call" ? stage.call("POST", "", body) : stage.callWeb(body));
      expect(await response.text()).toBe(CREATED + DELTA + FAILED);
      const end = await stage.ended();
      expect(end.outcome).toBe("upstream_error");
      expect(end.error?.upstream).toMatchObject({ kind: "stream_error", code: "server_error" });
      expect(end.attempts[0]).toMatchObject({ outcome: "upstream_error", usage: { totalTokens: 4 } });
    },
  );

  it("st-6: is an error with a status of its own before the first content", async () => {
    const stage = await stageOf({ main: native(await answering(streamReply(CREATED, FAILED))) });
    const response = await stage.call("POST", "", { model: MODEL, input: "a", stream: true });
    expect(response.status).toBe(502);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ error: { code: "provider_error" } });
    expect(text).not.toContain("secret words");
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("keeps the connection's framing whole", async () => {
    const backend = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM) + chunk(CREATED + DELTA + FAILED) + LAST_CHUNK);
    });
    const stage = await stageOf({ main: native(backend) });
    const events = await stage.stream({ input: "a" });
    expect(events.map(({ type }) => type)).toEqual([
      "response.created",
      "response.output_text.delta",
      "response.failed",
    ]);
  });
});
