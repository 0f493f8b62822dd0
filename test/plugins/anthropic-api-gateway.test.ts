import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import type { JsonObject } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  answering,
  CREDENTIAL,
  event,
  jsonReply,
  MODEL,
  ollamaAt,
  openaiAt,
  post,
  scripted,
  simulated,
  startStage,
  streamReply,
} from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import type { RawRequest } from "../_support/scripted-upstream.ts";

const VERSION = { "anthropic-version": "2023-06-01" };
const HELLO = { model: MODEL, max_tokens: 50, messages: [{ role: "user", content: "Hello" }] };

function send(
  stage: { url: string },
  body: unknown,
  headers: Record<string, string> = VERSION,
  path = "/v1/messages",
): Promise<Response> {
  return post(stage.url + path, body, { headers });
}

function stageOn(backend: JsonObject, rest: Partial<Parameters<typeof startStage>[0]> = {}): Promise<Stage> {
  return startStage({ backends: { main: backend }, plugins: [anthropicApi()], ...rest });
}

function anthropicAt({ url }: { url: string }): JsonObject {
  return { adapter: "anthropic", baseURL: url, apiKey: CREDENTIAL, models: [MODEL] };
}

/** The events of a stream, each with the name on its `event:` line. */
function eventsOf(text: string): { name: string | undefined; json: JsonObject }[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => ({
      name: /^event: (.*)$/m.exec(block)?.[1],
      json: JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as JsonObject,
    }));
}

function textOf(events: readonly { json: JsonObject }[]): string {
  return events.map(({ json }) => (json["delta"] as { text?: string } | undefined)?.text ?? "").join("");
}

describe("in-11: what every request needs", () => {
  it.each<[string, JsonObject, Record<string, string>]>([
    ["anthropic-version", HELLO, {}],
    ["model", { ...HELLO, model: undefined }, VERSION],
    ["max_tokens", { ...HELLO, max_tokens: undefined }, VERSION],
    ["messages", { ...HELLO, messages: undefined }, VERSION],
  ])("%s: else 400 in Anthropic's shape, and nothing goes upstream", async (param, body, headers) => {
    const backend = await simulated();
    const reply = await send(await stageOn(openaiAt(backend)), body, headers);
    expect(reply.status).toBe(400);
    const id = reply.headers.get("request-id");
    expect(id).toBe(reply.headers.get("x-request-id"));
    expect(await reply.json()).toEqual({
      type: "error",
      error: {
        type: "invalid_request_error",
        message: expect.stringContaining(`\`${param}\``) as string,
        details: { error_code: "missing_parameter", param },
      },
      request_id: id,
    });
    expect(backend.requests).toHaveLength(0);
  });

  it.each([{ max_tokens: -1 }, { max_tokens: "9" }, { messages: "Hello" }, { messages: [] }])(
    "refuses %j",
    async (fields) => {
      const stage = await stageOn(openaiAt(await simulated()));
      const reply = await send(stage, { ...HELLO, ...fields });
      expect(reply.status).toBe(400);
      expect(await reply.json()).toMatchObject({ error: { details: { param: Object.keys(fields)[0] } } });
    },
  );

  it("refuses what it cannot carry, naming the field and the backend", async () => {
    const stage = await stageOn(openaiAt(await simulated()));
    const tools = [{ type: "web_search_20250305", name: "web_search" }];
    const reply = await send(stage, { ...HELLO, tools });
    expect(reply.status).toBe(400);
    const { error } = (await reply.json()) as { error: JsonObject };
    expect(error).toMatchObject({
      type: "invalid_request_error",
      details: { error_code: "unsupported_parameter", param: "tools[0].type" },
    });
    expect(error["message"]).toContain("(backend `main`)");
  });

  it("takes the gateway's key from either header, and refuses others in Anthropic's shape", async () => {
    const key = "sk-tester-0123456789abcdef";
    const backend = await simulated({ requireKey: CREDENTIAL });
    const stage = await stageOn(openaiAt(backend), {
      plugins: [apiKeys({ keys: [{ id: "tester", key }] }), anthropicApi()],
    });
    for (const [name, value] of [
      ["x-api-key", key],
      ["authorization", `Bearer ${key}`],
    ] as const)
      expect((await send(stage, HELLO, { ...VERSION, [name]: value })).status).toBe(200);
    const refused = await send(stage, HELLO, { ...VERSION, "x-api-key": "wrong" });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
    expect(refused.headers.get("request-id")).toMatch(/./);
  });
});

const DIALECTS = {
  openai: async () => {
    const backend = await simulated({ cachedTokens: 4 });
    return { backend, at: openaiAt(backend), path: "/v1/chat/completions" };
  },
  ollama: async () => {
    const backend = await simulated({ dialect: "ollama" });
    return { backend, at: ollamaAt(backend), path: "/api/chat" };
  },
};

describe.each(["openai", "ollama"] as const)("st-4: on an %s backend", (dialect) => {
  it("answers whole and streamed alike, with usage for the client and the books", async () => {
    const { at } = await DIALECTS[dialect]();
    const stage = await stageOn(at);
    const whole = await send(stage, HELLO);
    expect(whole.headers.get("content-type")).toBe("application/json");
    const message = (await whole.json()) as JsonObject & { content: JsonObject[]; usage: JsonObject };
    expect(message).toMatchObject({
      type: "message",
      role: "assistant",
      model: MODEL,
      stop_reason: "end_turn",
    });

    const stream = await send(stage, { ...HELLO, stream: true });
    expect(stream.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const text = await stream.text();
    expect(text).not.toContain("[DONE]");
    const events = eventsOf(text);
    for (const { name, json } of events) expect(name).toBe(json["type"]);
    expect(textOf(events)).toBe(message.content[0]!["text"]);
    expect(events[0]!.json).toMatchObject({ type: "message_start", message: { model: MODEL } });
    expect(events.at(-2)!.json).toMatchObject({ delta: { stop_reason: "end_turn" }, usage: message.usage });
    expect(events.at(-1)!.json).toEqual({ type: "message_stop" });

    const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage as Record<string, number>;
    expect(output_tokens).toBeGreaterThan(0);
    for (const count of [1, 2]) {
      expect(await stage.ended(count)).toMatchObject({
        outcome: "complete",
        usage: { inputTokens: input_tokens! + (cache_read_input_tokens ?? 0), outputTokens: output_tokens },
      });
    }
  });

  it("reports what was left out", async () => {
    const { at } = await DIALECTS[dialect]();
    const reply = await send(await stageOn(at), {
      ...HELLO,
      speed: "fast",
      cache_control: { type: "ephemeral" },
    });
    expect(reply.headers.get("x-gatewright-dropped")).toBe("speed, cache_control");
  });

  it("works for Claude Code", async () => {
    const { at, backend, path } = await DIALECTS[dialect]();
    const stage = await stageOn(at);
    const body = claudeCodeRequest(MODEL);
    const reply = await send(stage, body, CLAUDE_CODE_HEADERS, "/v1/messages?beta=true");
    expect(reply.status).toBe(200);
    const events = eventsOf(await reply.text());
    const start = events.find(({ json }) => json["type"] === "content_block_start");
    expect(start!.json["content_block"]).toMatchObject({ type: "tool_use", name: "Bash" });
    expect(events.at(-2)!.json).toMatchObject({ delta: { stop_reason: "tool_use" } });
    const request = backend.requestsTo(path)[0]!;
    const json = request.json as JsonObject;
    expect(Object.keys(request.headers).filter((name) => name.startsWith("anthropic"))).toEqual([]);
    expect((json["tools"] as JsonObject[]).length).toBe((body["tools"] as JsonObject[]).length);
    for (const name of [
      "context_management",
      "thinking",
      "output_config",
      "system",
      "reasoning_effort",
      "user",
    ])
      expect(json).not.toHaveProperty(name);
    expect((json["messages"] as JsonObject[]).map(({ role }) => role)).toEqual([
      "system",
      "user",
      "system",
      "assistant",
      "tool",
      "user",
    ]);
  });
});

/** What Claude Code 2.1 sends, shortened. */
const CLAUDE_CODE_HEADERS = {
  "anthropic-version": "2023-06-01",
  "anthropic-beta":
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,fine-grained-tool-streaming-2025-05-14",
  "anthropic-dangerous-direct-browser-access": "true",
  authorization: "Bearer sk-client-0123456789abcdef",
  "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
  "x-app": "cli",
  "x-stainless-lang": "js",
};

function claudeCodeRequest(model: string): JsonObject {
  const ephemeral = { cache_control: { type: "ephemeral" } };
  const input_schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    properties: { command: { const: "ls" } },
    required: ["command"],
    additionalProperties: false,
  };
  return {
    model,
    max_tokens: 32_000,
    stream: true,
    metadata: { user_id: JSON.stringify({ device_id: "d".repeat(64), account_uuid: "", session_id: "s" }) },
    thinking: { type: "adaptive", display: "omitted" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    output_config: { effort: "medium" },
    tool_choice: { type: "auto" },
    system: [
      { type: "text", text: "x-anthropic-billing-header: cc_version=2.1.330; cc_entrypoint=sdk-cli;" },
      { type: "text", text: "You are a Claude agent.", ...ephemeral },
    ],
    tools: [
      { name: "Bash", description: "Runs a command", input_schema, eager_input_streaming: true },
      { name: "DeferredToolPlaceholder", description: "Never call", input_schema, defer_loading: true },
    ],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "<system-reminder/>" },
          { type: "text", text: "Run it" },
        ],
      },
      { role: "system", content: [{ type: "text", text: "# Environment", ...ephemeral }] },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "Hm.", signature: "" },
          { type: "text", text: "I'll look." },
          { type: "tool_use", id: "call_1", name: "Bash", input: { command: "pwd" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1", content: "/home", is_error: false, ...ephemeral },
          { type: "text", text: "Run Bash again" },
        ],
      },
    ],
  };
}

describe("backends of the same dialect", () => {
  /** An upstream that answers each request with `reply`, and keeps the requests. */
  async function anthropic(reply: string | Buffer): Promise<{ url: string; requests: RawRequest[] }> {
    const requests: RawRequest[] = [];
    const { url } = await scripted(async (connection) => {
      for (;;) {
        requests.push(await connection.readRequest());
        await connection.send(reply);
      }
    });
    return { url, requests };
  }

  // Spelled as no serialiser would.
  const MESSAGE = `{ "id":"msg_1", "type":"message","role":"assistant", "model": "${MODEL}",
    "content":[{"type":"text","text":"Hi"}], "stop_reason":"end_turn","new_member":{"a":1.0},
    "usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":2} }`;
  const EVENTS = [
    `event: message_start\ndata: {"type":"message_start", "message":{"model":"${MODEL}","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}\n\n`,
    'event: ping\ndata: {"type": "ping"}\n\n',
    'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n',
    'event: something_new\ndata: {"type":"something_new"}\n\n',
    'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ];
  const SPELLED = JSON.stringify(claudeCodeRequest(MODEL), null, 1);

  function sendText(stage: Stage, body: string, headers: Record<string, string>): Promise<Response> {
    return fetch(`${stage.url}/v1/messages?beta=true`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
  }

  it("in-11: get the client's bytes, version and betas, and answer with their own", async () => {
    const upstream = await anthropic(jsonReply(MESSAGE));
    const stage = await stageOn(anthropicAt(upstream));
    const headers = { ...CLAUDE_CODE_HEADERS, "anthropic-version": "2026-10-21" };
    const reply = await sendText(stage, SPELLED.replace('"stream": true', '"stream": false'), headers);
    expect(await reply.text()).toBe(MESSAGE);
    const [request] = upstream.requests as [RawRequest];
    expect(request.path).toBe("/v1/messages");
    expect(String(request.body)).toBe(SPELLED.replace('"stream": true', '"stream": false'));
    expect(request.head.match(/^anthropic-version:.*$/gim)).toEqual(["anthropic-version: 2026-10-21"]);
    expect(request.headers["anthropic-beta"]).toBe(headers["anthropic-beta"]);
    expect(request.headers["x-api-key"]).toBe(CREDENTIAL);
    expect(request.head).not.toMatch(/sk-client|x-stainless|claude-cli/);
    expect((await stage.ended()).usage).toEqual({
      inputTokens: 15,
      outputTokens: 2,
      totalTokens: 17,
      cachedTokens: 5,
    });
  });

  it("st-1: stream their own bytes, events that nobody knows included", async () => {
    const stage = await stageOn(anthropicAt(await anthropic(streamReply(...EVENTS))));
    const reply = await sendText(stage, SPELLED, CLAUDE_CODE_HEADERS);
    expect(await reply.text()).toBe(EVENTS.join(""));
    expect(await stage.ended()).toMatchObject({
      outcome: "complete",
      usage: { inputTokens: 15, outputTokens: 2, cachedTokens: 5 },
    });
  });

  it("answer under the name that was asked for", async () => {
    const models = { house: { targets: [{ backend: "main", model: MODEL }] } };
    const stage = await stageOn(anthropicAt(await anthropic(streamReply(...EVENTS))), { models });
    const reply = await send(stage, { ...HELLO, model: "house", stream: true });
    expect(await reply.text()).toBe(EVENTS.join("").replace(MODEL, "house"));
  });

  it("st-6: an error in their stream ends it as their error", async () => {
    const error = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}';
    const upstream = await anthropic(streamReply(...EVENTS.slice(0, 4), `event: error\ndata: ${error}\n\n`));
    const stage = await stageOn(anthropicAt(upstream));
    const events = eventsOf(await (await send(stage, { ...HELLO, stream: true })).text());
    expect(events.at(-1)).toMatchObject({
      name: "error",
      json: { type: "error", error: { type: "overloaded_error" } },
    });
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("say what is known of an error without a message: its status and its type", async () => {
    const error = '{"type":"error","error":{"type":"rate_limit_error"}}';
    const stage = await stageOn(
      anthropicAt(await anthropic(streamReply(`event: error\ndata: ${error}\n\n`))),
    );
    const reply = await send(stage, { ...HELLO, stream: true });
    expect(reply.status).toBe(429);
    expect(((await reply.json()) as { error: JsonObject }).error).toMatchObject({
      type: "rate_limit_error",
      message: "The backend answered 429",
    });
  });

  it("in-11: errors keep status, type and message", async () => {
    const error = { type: "invalid_request_error", message: "max_tokens: too large" };
    const stage = await stageOn(
      anthropicAt(await anthropic(jsonReply({ type: "error", error, request_id: "req_up" }, 400))),
    );
    const reply = await send(stage, HELLO);
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as { error: JsonObject }).error).toMatchObject({
      type: "invalid_request_error",
      message: expect.stringContaining("max_tokens: too large") as string,
    });
  });

  it("in-12: are reached by the native route, with a version where the client names none", async () => {
    const upstream = await anthropic(jsonReply(MESSAGE));
    const stage = await stageOn(anthropicAt(upstream));
    const reply = await send(stage, HELLO, {}, "/v1/providers/claude/messages");
    expect(await reply.text()).toBe(MESSAGE);
    const [request] = upstream.requests as [RawRequest];
    expect(request.path).toBe("/v1/messages");
    expect(request.headers["anthropic-version"]).toBe("2023-06-01");
    expect(JSON.parse(String(request.body))).toEqual(HELLO);
  });

  it("count tokens", async () => {
    const upstream = await anthropic(jsonReply({ input_tokens: 42 }));
    const stage = await stageOn(anthropicAt(upstream));
    const { max_tokens: _, ...body } = HELLO;
    const reply = await send(stage, body, VERSION, "/v1/messages/count_tokens?beta=true");
    expect(await reply.json()).toEqual({ input_tokens: 42 });
    expect(upstream.requests[0]!.path).toBe("/v1/messages/count_tokens");
    const refused = await send(stage, body, {}, "/v1/messages/count_tokens");
    expect(refused.status).toBe(400);
  });
});

describe("other backends", () => {
  it.each(["/v1/messages/count_tokens", "/v1/providers/claude/messages"])(
    "in-12: have no %s: 501, not worth a retry",
    async (path) => {
      const reply = await send(await stageOn(openaiAt(await simulated())), HELLO, VERSION, path);
      expect(reply.status).toBe(501);
      expect(reply.headers.get("x-should-retry")).toBe("false");
      expect(await reply.json()).toMatchObject({
        type: "error",
        error: { type: "api_error", details: { error_code: "unsupported_operation" } },
      });
    },
  );

  it("tell their limits with the wait", async () => {
    const backend = await simulated({
      faults: [{ kind: "status", status: 429, headers: { "retry-after": "7" } }],
    });
    const reply = await send(await stageOn(openaiAt(backend)), HELLO);
    expect([reply.status, reply.headers.get("retry-after")]).toEqual([429, "7"]);
    expect(await reply.json()).toMatchObject({ error: { type: "rate_limit_error" } });
  });

  it("E9: that die in the middle of a stream end it in an error event", async () => {
    const backend = await simulated({ faults: [{ kind: "cut", afterEvents: 4 }] });
    const stage = await stageOn(openaiAt(backend));
    const events = eventsOf(await (await send(stage, { ...HELLO, stream: true })).text());
    expect(events.at(-1)).toMatchObject({
      name: "error",
      json: { type: "error", error: { type: "api_error", details: { error_code: "upstream_interrupted" } } },
    });
    expect(events.map(({ name }) => name)).not.toContain("message_stop");
    expect((await stage.ended()).outcome).toBe("truncated");
  });

  it("that call a tool without a name are at fault", async () => {
    const calls = { tool_calls: [{ index: 0, function: { arguments: "{}" } }] };
    const events = [{ delta: calls }, { delta: {}, finish_reason: "tool_calls" }].map(
      (choice) => `data: ${JSON.stringify({ choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`,
    );
    const stage = await stageOn(openaiAt(await answering(streamReply(...events))));
    const reply = await send(stage, { ...HELLO, stream: true });
    expect(reply.status).toBe(502);
    expect(await reply.json()).toMatchObject({ error: { type: "api_error" } });
  });
});

describe("E16: a silent stream", () => {
  const HEAD = replyHead(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" });
  const CONTENT = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n';
  const limits = { server: { limits: { streamKeepAliveMs: 60 } }, timeouts: { idleMs: 1_000 } };
  const stalling = () =>
    scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(Buffer.concat([Buffer.from(HEAD), chunk(CONTENT)]));
    });
  const PING = 'event: ping\ndata: {"type":"ping"}\n\n';

  it("is kept open by pings", async () => {
    const stage = await stageOn(openaiAt(await stalling()), limits);
    const text = await (await send(stage, { ...HELLO, stream: true })).text();
    expect(text.split(PING).length).toBeGreaterThan(2);
    expect(text).not.toContain("keep-alive");
  });

  it("is kept open by pings through the web handler as well", async () => {
    const gateway = await startTestGateway({
      backends: { main: openaiAt(await stalling()) },
      plugins: [anthropicApi()],
      ...limits,
    });
    onTestFinished(() => gateway.close());
    const request = new Request("http://gateway.test/v1/messages", {
      method: "POST",
      headers: { "content-type": "application/json", ...VERSION },
      body: JSON.stringify({ ...HELLO, stream: true }),
    });
    const reply = await gateway.server.gateway.fetch(request);
    expect(reply.headers.get("request-id")).toBe(reply.headers.get("x-request-id"));
    expect((await reply.text()).split(PING).length).toBeGreaterThan(2);
  });
});

describe("the model list", () => {
  it("has Anthropic's shape for who names a version, and OpenAI's for others", async () => {
    const stage = await stageOn(openaiAt(await simulated()));
    const list = (headers: Record<string, string>, path = "/v1/models") =>
      fetch(stage.url + path, { headers }).then((reply) => reply.json() as Promise<JsonObject>);
    const model = {
      type: "model",
      id: MODEL,
      display_name: MODEL,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      max_input_tokens: null,
      max_tokens: null,
    };
    const page = await list(VERSION);
    const ids = (page["data"] as JsonObject[]).map(({ id }) => id);
    expect(page).toEqual({
      data: expect.arrayContaining([model]) as unknown,
      has_more: false,
      first_id: ids[0],
      last_id: ids.at(-1),
    });
    expect(await list(VERSION, `/v1/models/${MODEL}`)).toEqual(model);
    expect(await list({})).toMatchObject({ object: "list" });
  });

  it("comes in pages, forwards and backwards", async () => {
    const backend = { ...openaiAt(await simulated()), models: ["a", "b", "c"] };
    const stage = await stageOn(backend);
    const page = async (query: string): Promise<JsonObject> => {
      const reply = await fetch(`${stage.url}/v1/models?${query}`, { headers: VERSION });
      const { data, ...rest } = (await reply.json()) as JsonObject;
      return { ids: (data as JsonObject[]).map(({ id }) => id), ...rest };
    };
    const { ids: all } = (await page("limit=1000")) as { ids: string[] };
    const [first, second, third, ...others] = all;
    const last = others.at(-1);
    const pageOf = (ids: unknown[], has_more: boolean): JsonObject => ({
      ids,
      has_more,
      first_id: ids[0] ?? null,
      last_id: ids.at(-1) ?? null,
    });
    expect([first, second, third]).toEqual(["a", "b", "c"]);
    expect(others).not.toEqual([]);
    expect(await page("limit=2")).toEqual(pageOf([first, second], true));
    expect(await page("limit=1&after_id=b")).toEqual(pageOf([third], true));
    expect(await page("after_id=c")).toEqual(pageOf(others, false));
    expect(await page(`after_id=${last}`)).toEqual(pageOf([], false));
    expect(await page("limit=1&before_id=c")).toEqual(pageOf([second], true));
    expect(await page("limit=2&before_id=c")).toEqual(pageOf([first, second], false));
    expect(await page("before_id=a")).toEqual(pageOf([], false));
  });

  it("has 20 models on a page unless more are asked for, up to 1,000", async () => {
    const models = Array.from({ length: 1_001 }, (_, index) => `m${index}`);
    const stage = await stageOn({ ...openaiAt(await simulated()), models });
    const count = async (query: string): Promise<number> => {
      const reply = await fetch(`${stage.url}/v1/models${query}`, { headers: VERSION });
      return ((await reply.json()) as { data: unknown[] }).data.length;
    };
    expect([await count(""), await count("?limit=1000")]).toEqual([20, 1_000]);
  });

  it.each([
    "limit=0",
    "limit=1001",
    "limit=x",
    "limit=",
    "after_id=zzz",
    "before_id=",
    `after_id=${MODEL}&before_id=${MODEL}`,
  ])("%s is 400 in Anthropic's shape", async (query) => {
    const stage = await stageOn(openaiAt(await simulated()));
    const reply = await fetch(`${stage.url}/v1/models?${query}`, { headers: VERSION });
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
  });

  it("does not show a key what it may not use", async () => {
    const credential = "sk-client-00000000000000000000";
    const stage = await stageOn(
      { ...openaiAt(await simulated()), models: [MODEL, "other"] },
      { plugins: [anthropicApi(), apiKeys({ keys: [{ id: "c", key: credential, models: [MODEL] }] })] },
    );
    const headers = { ...VERSION, "x-api-key": credential };
    const page = await fetch(`${stage.url}/v1/models`, { headers });
    expect(((await page.json()) as { data: JsonObject[] }).data.map(({ id }) => id)).toEqual([MODEL]);
    expect((await fetch(`${stage.url}/v1/models/other`, { headers })).status).toBe(404);
  });
});

describe("errors where no message is asked for", () => {
  const errorOf = async (reply: Response): Promise<unknown> => {
    const { type, error, object } = (await reply.json()) as JsonObject;
    expect(object).toBeUndefined();
    return [reply.status, type, (error as JsonObject)["type"]];
  };

  it("have Anthropic's shape for a model that is not there, and without a key", async () => {
    const credential = "sk-client-00000000000000000000";
    const plugins = [apiKeys({ keys: [{ id: "c", key: credential }] }), anthropicApi()];
    const stage = await stageOn(openaiAt(await simulated()), { plugins });
    const get = (path: string, headers: Record<string, string>) =>
      fetch(stage.url + path, { headers: { ...VERSION, ...headers } }).then(errorOf);
    expect(await get("/v1/models/zzz", { "x-api-key": credential })).toEqual([
      404,
      "error",
      "not_found_error",
    ]);
    expect(await get("/v1/models", {})).toEqual([401, "error", "authentication_error"]);
  });

  it.each(["/v1/messages/batches", "/v1/messages/unknown", "/v1/messages/a/b", "/v1/providers/claude/x"])(
    "have Anthropic's shape at %s, which is no route",
    async (path) => {
      const stage = await stageOn(openaiAt(await simulated()));
      expect(await errorOf(await post(stage.url + path, {}))).toEqual([404, "error", "not_found_error"]);
    },
  );

  it("have the shape of who asks where the path is nobody's", async () => {
    const stage = await stageOn(openaiAt(await simulated()));
    const get = (headers: Record<string, string>) =>
      fetch(`${stage.url}/v1/skills`, { headers }).then(errorOf);
    expect(await get(VERSION)).toEqual([404, "error", "not_found_error"]);
    expect(await get({})).toEqual([404, undefined, "invalid_request_error"]);
    expect(await fetch(`${stage.url}/nothing`, { headers: VERSION }).then(errorOf)).toEqual([
      404,
      undefined,
      "invalid_request_error",
    ]);
  });
});

describe("what of an answer has no place in a message", () => {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  const url_citation = { url: "https://example.com/", title: "t", start_index: 0, end_index: 2 };
  const message = {
    role: "assistant",
    content: "Hi",
    images: [image],
    annotations: [{ type: "url_citation", url_citation }],
  };
  const dropped = "reply.images, reply.annotations";

  it("is named in the reply's header", async () => {
    const choices = [{ index: 0, message, finish_reason: "stop" }];
    const stage = await stageOn(openaiAt(await answering(jsonReply({ id: "1", choices }))));
    const reply = await send(stage, HELLO);
    expect(reply.headers.get("x-gatewright-dropped")).toBe(dropped);
    expect(await reply.json()).toMatchObject({ content: [{ type: "text", text: "Hi" }] });
  });

  it("is named in a stream's header where it comes with the first words", async () => {
    const choice = (delta: JsonObject, finish_reason: string | null): string =>
      event({ choices: [{ index: 0, delta, finish_reason }] });
    const upstream = await answering(
      streamReply(choice(message, null), choice({}, "stop"), "data: [DONE]\n\n"),
    );
    const reply = await send(await stageOn(openaiAt(upstream)), { ...HELLO, stream: true });
    expect(reply.headers.get("x-gatewright-dropped")).toBe(dropped);
    expect(textOf(eventsOf(await reply.text()))).toBe("Hi");
  });
});
