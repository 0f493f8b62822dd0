import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { concurrency } from "@gatewright/concurrency";
import { mcp } from "@gatewright/mcp";
import { rateLimit } from "@gatewright/rate-limit";
import {
  defineGatewayPlugin,
  discardReply,
  GatewayError,
  resolveConfig,
  when,
  type JsonObject,
} from "gatewright";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { ROOT, startProgram } from "../_support/program.ts";
import { startRedis } from "../_support/redis.ts";
import { startScriptedUpstream } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import { findFaults } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "mcp", factory: "mcp", create: () => mcp() });

const KEY = "sk-mcp-agent-0123456789abcdefghij";
const OTHER_KEY = "sk-mcp-other-0123456789abcdefghij";
const VERSIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const LEGACY = VERSIONS.slice(1);

interface Rpc {
  jsonrpc: string;
  id?: string | number;
  method?: string;
  params?: { progressToken: unknown; progress: number; message?: string };
  result?: JsonObject & ToolResult;
  error?: { code: number; message: string; data: JsonObject };
}

interface ToolResult {
  content: { type: string; text: string }[];
  structuredContent?: JsonObject;
  isError?: boolean;
  _meta?: JsonObject;
}

interface Line {
  requestId: string;
  operation: string;
  status: number;
  outcome: string;
  outputTokens?: number;
  key?: string;
}

type Headers = Record<string, string>;

interface Stage {
  backend: SimulatedBackend;
  gateway: TestGateway;
}

async function simulated(settings: object = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", models: ["m", "n", "e"], ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

function openaiBefore({ url }: { url: string }): object {
  return { adapter: "openai", baseURL: `${url}/v1`, models: ["m", "n", "e"] };
}

async function gatewayBefore(
  { url }: { url: string },
  plugins: unknown[] = [mcp({ progressMs: 0 })],
  config: Record<string, unknown> = {},
): Promise<TestGateway> {
  const gateway = await startTestGateway({
    backends: { only: openaiBefore({ url }) },
    plugins,
    ...config,
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

async function start(plugins?: unknown[], settings: object = {}): Promise<Stage> {
  const backend = await simulated(settings);
  return { backend, gateway: await gatewayBefore(backend, plugins) };
}

function rpc(method: string, params: object = {}, id: unknown = 1): JsonObject {
  return { jsonrpc: "2.0", id, method, params };
}

function toolCall(name: string, args: object = {}, meta?: object, id: unknown = 1): JsonObject {
  return rpc("tools/call", { name, arguments: args, ...(meta && { _meta: meta }) }, id);
}

function chatCall(args: object = {}, meta?: object, id: unknown = 1): JsonObject {
  return toolCall("chat", { model: "m", prompt: "Hello", ...args }, meta, id);
}

function send(
  gateway: { url: string },
  body: unknown,
  headers: Headers = {},
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`${gateway.url}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
}

async function post(gateway: TestGateway, body: unknown, headers: Headers = {}): Promise<[number, Rpc]> {
  const reply = await send(gateway, body, headers);
  return [reply.status, (await reply.json()) as Rpc];
}

async function resultOf(
  gateway: TestGateway,
  body: unknown,
  headers: Headers = {},
): Promise<ToolResult & JsonObject> {
  const [status, { result, error }] = await post(gateway, body, headers);
  expect([status, error]).toEqual([200, undefined]);
  return result!;
}

function version(name: string): Headers {
  return { "mcp-protocol-version": name };
}

function bearer(key: string): Headers {
  return { authorization: `Bearer ${key}` };
}

/** A request as 2026-07-28 has it. */
function stateless(method: string, params: JsonObject = {}, name?: string): [JsonObject, Headers] {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    ...(params["_meta"] as object),
  };
  return [
    rpc(method, { ...params, _meta }),
    { ...version("2026-07-28"), "mcp-method": method, ...(name !== undefined && { "mcp-name": name }) },
  ];
}

async function initialize(gateway: { url: string }, headers: Headers = {}): Promise<string> {
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const reply = await send(gateway, rpc("initialize", params), headers);
  expect(reply.status).toBe(200);
  return reply.headers.get("mcp-session-id")!;
}

/** The messages of an event stream. */
function messagesIn(text: string): Rpc[] {
  return Array.from(
    text.matchAll(/^event: message\ndata: (.*)\n\n/gm),
    ([, data]) => JSON.parse(data!) as Rpc,
  );
}

async function requestLines({ lines }: TestGateway, count: number): Promise<Line[]> {
  const all = (): Line[] =>
    lines
      .join("")
      .split("\n")
      .filter((line) => line.includes('"message":"request"'))
      .map((line) => JSON.parse(line) as Line);
  await waitFor(`${count} lines in the log`, () => all().length >= count);
  return all();
}

/** A backend that answers every request with this: an object as JSON, a list as the events of a stream. */
async function answering(reply: object): Promise<{ url: string }> {
  const isStream = Array.isArray(reply);
  const body = isStream
    ? [...(reply as object[]).map((event) => JSON.stringify(event)), "[DONE]"]
        .map((data) => `data: ${data}\n\n`)
        .join("")
    : JSON.stringify(reply);
  const type = isStream ? "text/event-stream" : "application/json";
  const head = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const upstream = await startScriptedUpstream(async (connection) => {
    for (;;) {
      await connection.readRequest();
      await connection.send(head + body);
    }
  });
  onTestFinished(() => upstream.close());
  return upstream;
}

function completion(message: object, rest: object = {}): object {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: "stop", ...rest }],
  };
}

describe("mcp", () => {
  it("in-16: `initialize`, `tools/list` and `tools/call` answer, and the call makes a usage row", async () => {
    const { gateway, backend } = await start(
      [apiKeys({ keys: [{ id: "agent", key: KEY }] }), mcp(), balancer()],
      {
        text: "Hello there",
      },
    );
    const session = { ...bearer(KEY), "mcp-session-id": await initialize(gateway, bearer(KEY)) };
    const { tools } = await resultOf(gateway, rpc("tools/list"), session);
    expect((tools as { name: string }[]).map(({ name }) => name)).toEqual([
      "list_models",
      "chat",
      "embeddings",
    ]);
    const { content, isError } = await resultOf(gateway, chatCall(), session);
    expect([content, isError]).toEqual([[{ type: "text", text: "Hello there" }], undefined]);
    expect(backend.requests[0]!.json).toMatchObject({ messages: [{ role: "user", content: "Hello" }] });
    const lines = await requestLines(gateway, 4);
    const call = lines.find(({ operation }) => operation === "chat")!;
    expect(call).toMatchObject({ status: 200, outcome: "complete", key: "agent" });
    expect(call.outputTokens).toBeGreaterThan(0);
    expect(lines.filter(({ operation }) => operation === "mcp")).toHaveLength(3);
    expect(lines.some(({ requestId }) => `${requestId}:0` === call.requestId)).toBe(true);
  });

  it("in-16: agrees upon every version that needs agreement, and offers the newest of these for others", async () => {
    const { gateway } = await start();
    const agreed = async (protocolVersion: unknown): Promise<unknown> =>
      (await resultOf(gateway, rpc("initialize", { protocolVersion })))["protocolVersion"];
    for (const name of LEGACY) expect(await agreed(name)).toBe(name);
    for (const name of ["2026-07-28", "2024-10-07", "1.0"]) expect(await agreed(name)).toBe("2025-11-25");
    expect(await post(gateway, rpc("initialize"))).toMatchObject([400, { id: 1, error: { code: -32602 } }]);
  });

  it("tells of tools what the version knows", async () => {
    const { gateway } = await start();
    for (const name of LEGACY) {
      const { tools } = await resultOf(gateway, rpc("tools/list"), version(name));
      expect(tools).not.toEqual([]);
      for (const tool of tools as JsonObject[]) {
        expect(tool).toMatchObject({
          description: expect.any(String),
          inputSchema: { type: "object", additionalProperties: false },
          annotations: { readOnlyHint: true },
        });
        const isStructured = name >= "2025-06-18";
        expect(["title" in tool, "outputSchema" in tool]).toEqual([isStructured, isStructured]);
      }
    }
  });

  it("tells the schema that it checks by: names, bounds, what is required", async () => {
    const { gateway } = await start();
    const { tools } = await resultOf(gateway, rpc("tools/list"), version("2025-06-18"));
    const chat = (tools as JsonObject[]).find(({ name }) => name === "chat")!;
    expect(chat["inputSchema"]).toMatchObject({
      required: ["model"],
      properties: {
        model: { type: "string" },
        prompt: { type: "string" },
        temperature: { type: "number", minimum: 0, maximum: 2 },
        max_tokens: { type: "integer", minimum: 1 },
        messages: {
          type: "array",
          items: { properties: { role: { enum: ["system", "developer", "user", "assistant"] } } },
        },
      },
    });
    expect(chat["outputSchema"]).toMatchObject({
      type: "object",
      required: ["model", "text", "finish_reason"],
    });
    expect(JSON.stringify(tools)).not.toContain("$schema");
  });

  it("takes any session's id, and none, in any process: it keeps nothing", async () => {
    const backend = await simulated();
    const [one, other] = [await gatewayBefore(backend), await gatewayBefore(backend)];
    const session = await initialize(one);
    expect(session).toMatch(/^[\x21-\x7e]{16,}$/);
    for (const headers of [{ "mcp-session-id": session }, { "mcp-session-id": "made-up" }, {}] as Headers[])
      expect((await resultOf(other, chatCall(), headers)).isError).toBeUndefined();
    expect(await initialize(one)).not.toBe(session);
  });

  it("takes notifications and responses with 202 and no body", async () => {
    const { gateway } = await start();
    for (const message of [
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 99 } },
      { jsonrpc: "2.0", method: "notifications/cancelled" },
      { jsonrpc: "2.0", id: 4, result: {} },
      { jsonrpc: "2.0", id: 4, error: { code: 1, message: "no" } },
    ]) {
      const reply = await send(gateway, message);
      expect([reply.status, await reply.text()]).toEqual([202, ""]);
    }
  });

  it("answers GET and DELETE with 405: there is no stream to listen to, and no session to end", async () => {
    const { gateway } = await start();
    for (const method of ["GET", "DELETE"]) {
      const reply = await send(gateway, "", { accept: "text/event-stream" }, { method, body: undefined });
      expect([reply.status, reply.headers.get("allow")]).toEqual([405, "POST"]);
      await reply.text();
    }
  });

  it("gives ids back as they came, those too long for a number included", async () => {
    const { gateway } = await start();
    for (const id of ['"a"', '""', "0", "-1", "9007199254740993"])
      expect(await (await send(gateway, `{"jsonrpc":"2.0","id":${id},"method":"ping"}`)).text()).toBe(
        `{"jsonrpc":"2.0","id":${id},"result":{}}`,
      );
  });
});

describe("mcp, the tools", () => {
  it("lists the models that the key may use, and of these those for an operation", async () => {
    const keys = [
      { id: "agent", key: KEY, models: ["m"] },
      { id: "other", key: OTHER_KEY },
    ];
    const { gateway } = await start([apiKeys({ keys }), mcp()]);
    const idsFor = async (key: string, args: object = {}): Promise<unknown[]> => {
      const headers = { ...bearer(key), ...version("2025-06-18") };
      const { content, structuredContent } = await resultOf(gateway, toolCall("list_models", args), headers);
      expect(JSON.parse(content[0]!.text)).toEqual(structuredContent);
      return (structuredContent!["models"] as JsonObject[]).map(({ id }) => id);
    };
    expect(await idsFor(KEY)).toEqual(["m"]);
    expect(await idsFor(OTHER_KEY)).toEqual(expect.arrayContaining(["m", "n", "e"]));
    expect(await idsFor(KEY, { operation: "chat" })).toEqual(["m"]);
    expect(await idsFor(KEY, { operation: "nothing" })).toEqual([]);
    const { structuredContent } = await resultOf(gateway, toolCall("list_models"), {
      ...bearer(KEY),
      ...version("2025-06-18"),
    });
    expect(structuredContent).toEqual({
      models: [
        {
          id: "m",
          operations: expect.arrayContaining(["chat", "embeddings"]) as unknown,
          owned_by: "openai",
          ready: true,
          max_input_tokens: null,
          max_output_tokens: null,
        },
      ],
    });
  });

  it("asks a model, with all that the arguments say, and nothing else", async () => {
    const { gateway, backend } = await start(undefined, { text: "Fine" });
    const args = { system: "Be brief", temperature: 0, top_p: 0.5, max_tokens: 9, stop: ["x"] };
    const { content, structuredContent } = await resultOf(gateway, chatCall(args), version("2025-11-25"));
    expect(content).toEqual([{ type: "text", text: "Fine" }]);
    expect(structuredContent).toEqual({
      model: "m",
      text: "Fine",
      finish_reason: "stop",
      usage: { prompt_tokens: expect.any(Number), completion_tokens: 1, total_tokens: expect.any(Number) },
    });
    expect(backend.requests[0]!.json).toEqual({
      model: "m",
      messages: [
        { role: "system", content: "Be brief" },
        { role: "user", content: "Hello" },
      ],
      temperature: 0,
      top_p: 0.5,
      max_tokens: 9,
      stop: ["x"],
    });
  });

  it("passes a conversation on, parts of messages included", async () => {
    const { gateway, backend } = await start();
    const messages = [
      { role: "user", content: [{ type: "text", text: "What is this?" }] },
      { role: "assistant", content: "A cat" },
      { role: "user", content: "Sure?" },
    ];
    await resultOf(gateway, toolCall("chat", { model: "m", messages }));
    expect(backend.requests[0]!.json).toMatchObject({ messages });
  });

  it("gives the structured form from 2025-06-18 on", async () => {
    const { gateway } = await start();
    for (const name of LEGACY)
      expect("structuredContent" in (await resultOf(gateway, chatCall(), version(name)))).toBe(
        name >= "2025-06-18",
      );
  });

  it("tells thoughts, refusals and images, and names what it cannot carry", async () => {
    const image = "data:image/png;base64,aGk=";
    const upstream = await answering(
      completion({
        content: null,
        refusal: "No.",
        reasoning_content: "Hm",
        images: [
          { type: "image_url", image_url: { url: image } },
          { type: "image_url", image_url: { url: "https://images.test/1.png" } },
        ],
        tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }],
      }),
    );
    const gateway = await gatewayBefore(upstream);
    const result = await resultOf(gateway, chatCall(), version("2025-06-18"));
    expect(result.content).toEqual([
      { type: "text", text: "No." },
      { type: "image", data: "aGk=", mimeType: "image/png" },
      { type: "text", text: "https://images.test/1.png" },
    ]);
    expect(result.structuredContent).toMatchObject({ text: "", refusal: "No.", reasoning: "Hm" });
    expect(result._meta).toEqual({ "gatewright/dropped": ["tool_calls"] });
  });

  it("embeds one text or several, in their order", async () => {
    const { gateway, backend } = await start(undefined, { dimensions: 4 });
    for (const [input, count] of [
      ["one", 1],
      [["one", "two"], 2],
    ] as const) {
      const call = toolCall("embeddings", { model: "e", input, dimensions: 3 });
      const { content, structuredContent } = await resultOf(gateway, call, version("2025-06-18"));
      const vectors = structuredContent!["embeddings"] as number[][];
      expect(vectors.map(({ length }) => length)).toEqual(Array<number>(count).fill(3));
      expect(structuredContent).toMatchObject({ model: "e", usage: { completion_tokens: 0 } });
      expect(JSON.parse(content[0]!.text)).toEqual(structuredContent);
      expect(backend.requests.at(-1)!.json).toEqual({
        model: "e",
        input,
        dimensions: 3,
        encoding_format: "float",
      });
    }
  });

  it("brings vectors that come in another order into that of the texts, and refuses what is none", async () => {
    const data = [
      { object: "embedding", index: 1, embedding: [2] },
      { object: "embedding", index: 0, embedding: [1] },
    ];
    const call = toolCall("embeddings", { model: "e", input: ["a", "b"] });
    const gateway = await gatewayBefore(await answering({ object: "list", model: "e", data }));
    const { structuredContent } = await resultOf(gateway, call, version("2025-06-18"));
    expect(structuredContent).toEqual({ model: "e", embeddings: [[1], [2]] });
    const poor = await gatewayBefore(await answering({ object: "list", model: "e", data: [{ index: 0 }] }));
    expect(await resultOf(poor, call)).toMatchObject({
      isError: true,
      content: [{ text: "provider_error: The backend sent no vectors" }],
    });
  });

  it("tells what the gateway refuses as a result, with code and message and no stack", async () => {
    const { gateway, backend } = await start();
    const unknown = await resultOf(gateway, chatCall({ model: "nosuch" }), version("2025-06-18"));
    expect(unknown).toEqual({
      isError: true,
      content: [
        {
          type: "text",
          text: "model_not_found: The model `nosuch` does not exist; `GET /v1/models` lists those that do",
        },
      ],
      _meta: {
        "gatewright/error": {
          code: "model_not_found",
          message: "The model `nosuch` does not exist; `GET /v1/models` lists those that do",
          status: 404,
          param: "model",
        },
      },
    });
    backend.faults = () => ({ kind: "status", status: 500 });
    const failed = await resultOf(gateway, chatCall());
    expect(failed).toMatchObject({ isError: true, _meta: { "gatewright/error": { status: 502 } } });
    expect(JSON.stringify(failed)).not.toMatch(/at .*\.ts|127\.0\.0\.1/);
  });

  it("tells the client of an unknown tool and of arguments at fault, and from 2025-11-25 on the model of the latter", async () => {
    const { gateway, backend } = await start();
    for (const name of LEGACY)
      expect(await post(gateway, toolCall("nosuch"), version(name))).toMatchObject([
        200,
        { id: 1, error: { code: -32602, message: "Unknown tool: nosuch" } },
      ]);
    const faults: [object, string][] = [
      [{ model: "m" }, "Give either `prompt` or `messages`"],
      [{ model: "m", prompt: "a", messages: [{ role: "user", content: "a" }] }, "Give either"],
      [{ model: 7, prompt: "a" }, "`model`"],
      [{ model: "m", prompt: "a", temperature: 3 }, "`temperature`"],
      [{ model: "m", prompt: "a", max_tokens: 1.5 }, "`max_tokens`"],
      [{ model: "m", prompt: "a", nosuch: 1 }, "`nosuch`"],
      [{ model: "m", messages: [] }, "`messages`"],
      [{ model: "m", messages: [{ role: "tool", content: "a" }] }, "`messages.0.role`"],
    ];
    for (const [args, words] of faults) {
      const call = toolCall("chat", args);
      const [status, { error }] = await post(gateway, call, version("2025-06-18"));
      expect([status, error]).toMatchObject([200, { code: -32602, data: { code: "mcp_invalid_params" } }]);
      expect(error!.message).toContain(words);
      const told = await resultOf(gateway, call, version("2025-11-25"));
      expect(told.isError).toBe(true);
      expect(told.content[0]!.text).toContain(words);
    }
    expect(backend.requests).toEqual([]);
  });

  it("refuses parameters that are none", async () => {
    const { gateway } = await start();
    for (const message of [
      rpc("tools/call", { name: 7 }),
      rpc("tools/call"),
      rpc("tools/call", { name: "chat", arguments: [] }),
      rpc("tools/list", { cursor: "2" }),
    ])
      expect(await post(gateway, message)).toMatchObject([200, { id: 1, error: { code: -32602 } }]);
    expect(await post(gateway, rpc("resources/list"))).toMatchObject([
      200,
      { id: 1, error: { code: -32601 } },
    ]);
  });
});

describe("mcp, the chain", () => {
  it("refuses who has no key, in JSON-RPC", async () => {
    const { gateway, backend } = await start([apiKeys({ keys: [{ id: "agent", key: KEY }] }), mcp()]);
    for (const headers of [{}, bearer("sk-wrong-0123456789abcdefghijkl")]) {
      const reply = await send(gateway, rpc("tools/list"), headers);
      expect([reply.status, reply.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
      expect(await reply.json()).toEqual({
        jsonrpc: "2.0",
        error: {
          code: -32600,
          message: "Invalid API key",
          data: { code: "invalid_api_key", type: "authentication_error" },
        },
      });
    }
    expect(backend.requests).toEqual([]);
  });

  it("asks a key for the scope and the model of each call", async () => {
    const key = { id: "agent", key: KEY, scopes: ["embeddings" as const], models: ["e"] };
    const { gateway } = await start([apiKeys({ keys: [key] }), mcp()]);
    const codeOf = async (call: JsonObject): Promise<unknown> => {
      const { _meta } = await resultOf(gateway, call, bearer(KEY));
      return (_meta?.["gatewright/error"] as JsonObject | undefined)?.["code"];
    };
    expect(await codeOf(toolCall("embeddings", { model: "e", input: "a" }))).toBeUndefined();
    expect(await codeOf(toolCall("embeddings", { model: "m", input: "a" }))).toBe("model_not_allowed");
    expect(await codeOf(chatCall({ model: "e" }))).toBe("insufficient_permissions");
    expect(await codeOf(toolCall("list_models"))).toBeUndefined();
  });

  it("is closed to keys without a scope that the config gives it", async () => {
    const keys = [
      { id: "agent", key: KEY, scopes: ["embeddings" as const] },
      { id: "other", key: OTHER_KEY, scopes: ["chat" as const] },
    ];
    const { gateway } = await start([apiKeys({ keys, operationScopes: { mcp: "chat" } }), mcp()]);
    expect(await post(gateway, rpc("ping"), bearer(KEY))).toMatchObject([
      403,
      { error: { data: { code: "insufficient_permissions" } } },
    ]);
    expect(await resultOf(gateway, rpc("ping"), bearer(OTHER_KEY))).toEqual({});
  });

  it("lets a plugin see its messages that is put under a condition which names it", async () => {
    const limited = when({ operations: ["mcp"] }, rateLimit({ rate: 1, per: "hour" }));
    const { gateway } = await start([limited, mcp()]);
    expect(await resultOf(gateway, rpc("ping"))).toEqual({});
    expect(await post(gateway, rpc("ping"))).toMatchObject([
      429,
      { error: { data: { code: "rate_limit_exceeded" } } },
    ]);
  });

  it("counts its calls against the key's limit, and nothing else that comes over it", async () => {
    const keys = [
      { id: "agent", key: KEY },
      { id: "other", key: OTHER_KEY },
    ];
    const limited = [apiKeys({ keys }), rateLimit({ rate: 2, per: "hour", scope: "key" }), mcp(), balancer()];
    const { gateway, backend } = await start(limited);
    const headers = bearer(KEY);
    for (let n = 0; n < 5; n++) await resultOf(gateway, rpc(n % 2 === 0 ? "ping" : "tools/list"), headers);
    for (let n = 0; n < 2; n++)
      expect((await resultOf(gateway, chatCall(), headers)).isError).toBeUndefined();
    const refused = await resultOf(gateway, chatCall(), headers);
    expect(refused.isError).toBe(true);
    expect(refused.content[0]!.text).toMatch(/^rate_limit_exceeded: /);
    expect(refused._meta!["gatewright/error"]).toMatchObject({
      code: "rate_limit_exceeded",
      status: 429,
      retry_after: expect.any(Number) as unknown,
    });
    expect(backend.requests).toHaveLength(2);
    expect((await resultOf(gateway, chatCall(), bearer(OTHER_KEY))).isError).toBeUndefined();
    const direct = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "a" }] }),
    });
    expect(direct.status).toBe(429);
  });

  it("holds one slot for a call, not two", async () => {
    const { gateway } = await start([concurrency({ maxConcurrent: 1, queue: { maxWaitMs: 1_000 } }), mcp()]);
    expect((await resultOf(gateway, chatCall())).isError).toBeUndefined();
  });

  it("is there only for pages that the config allows, whoever asks without a browser", async () => {
    const allowed = "https://app.example.com";
    const { gateway } = await start([mcp({ allowedOrigins: [allowed] })]);
    for (const origin of [
      "https://evil.example",
      `${allowed}:8443`,
      "http://app.example.com",
      "null",
      gateway.url,
    ])
      expect(await post(gateway, rpc("ping"), { origin })).toMatchObject([
        403,
        { error: { code: -32600, data: { code: "origin_not_allowed" } } },
      ]);
    expect(await resultOf(gateway, rpc("ping"), { origin: allowed })).toEqual({});
    expect(await resultOf(gateway, rpc("ping"))).toEqual({});
  });

  it("refuses an origin in the config that is none", () => {
    for (const origin of ["app.example.com", "https://app.example.com/", "*", ""])
      expect(findFaults(mcp({ allowedOrigins: [origin] })).map(({ path }) => path)).toEqual([
        "allowedOrigins.0",
      ]);
  });
});

describe("mcp, progress", () => {
  const watched = { progressToken: "p1" };

  it("tells an answer as it comes, to who asks for it, and at the end the result", async () => {
    const { gateway, backend } = await start(undefined, { tokens: 6 });
    const plain = await resultOf(gateway, chatCall(), version("2025-06-18"));
    const reply = await send(gateway, chatCall({}, watched), version("2025-06-18"));
    expect([reply.status, reply.headers.get("content-type"), reply.headers.get("x-accel-buffering")]).toEqual(
      [200, "text/event-stream", "no"],
    );
    const messages = messagesIn(await reply.text());
    const progress = messages.slice(0, -1).map(({ params }) => params!);
    expect(messages.at(-1)).toEqual({ jsonrpc: "2.0", id: 1, result: plain });
    expect(progress.map(({ message }) => message).join("")).toBe(plain.content[0]!.text);
    expect(progress).toHaveLength(6);
    expect(progress.every(({ progressToken }) => progressToken === "p1")).toBe(true);
    const counts = progress.map(({ progress: count }) => count);
    expect(counts).toEqual([...new Set(counts)].toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(plain.content[0]!.text.length);
    expect(backend.requests.map(({ json }) => (json as JsonObject)["stream"])).toEqual([undefined, true]);
  });

  it.each(["", 0, -1, "p"])("takes %j for a name of it", async (progressToken) => {
    const { gateway } = await start();
    const messages = messagesIn(await (await send(gateway, chatCall({}, { progressToken }))).text());
    expect(messages[0]!.params).toMatchObject({ progressToken });
  });

  it("tells of each piece before the next is there", async () => {
    const { gateway } = await start(undefined, { tokens: 10_000, tokenMs: 20 });
    const leaving = new AbortController();
    const reply = await send(gateway, chatCall({}, watched), {}, { signal: leaving.signal });
    const reader = reply.body!.getReader();
    const { value } = await reader.read();
    expect(messagesIn(new TextDecoder().decode(value))[0]).toMatchObject({
      method: "notifications/progress",
    });
    leaving.abort();
    await reader.read().catch(() => undefined);
  });

  it("is silent where nobody asked, where no stream is accepted, and of tools that have nothing to tell", async () => {
    const { gateway } = await start();
    for (const [body, headers] of [
      [chatCall(), {}],
      [chatCall({}, watched), { accept: "application/json" }],
      [chatCall({}, { progressToken: null }), {}],
      [toolCall("embeddings", { model: "e", input: "a" }, watched), {}],
      [toolCall("list_models", {}, watched), {}],
      [[chatCall({}, watched)], {}],
    ] as [unknown, Headers][]) {
      const reply = await send(gateway, body, headers);
      expect(reply.headers.get("content-type")).toBe("application/json");
      await reply.text();
    }
  });

  it("gathers what comes sooner than `progressMs`, and keeps nothing back in the end", async () => {
    const { gateway } = await start([mcp({ progressMs: 3_600_000 })], { text: "one two three four" });
    const messages = messagesIn(await (await send(gateway, chatCall({}, watched))).text());
    const told = messages.slice(0, -1).map(({ params }) => params!.message!);
    expect(told).toHaveLength(2);
    expect(told.join("")).toBe("one two three four");
  });

  it("counts thoughts as progress that has no text", async () => {
    const chunk = (delta: object, finish_reason: string | null = null): object => ({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason }],
    });
    const stream = [
      chunk({ role: "assistant", content: "" }),
      chunk({ reasoning_content: "Hm" }),
      chunk({ content: "Yes" }),
      chunk({}, "stop"),
    ];
    const gateway = await gatewayBefore(await answering(stream));
    const reply = await send(gateway, chatCall({}, watched), version("2025-06-18"));
    const messages = messagesIn(await reply.text());
    expect(messages.slice(0, -1).map(({ params }) => params)).toEqual([
      { progressToken: "p1", progress: 2 },
      { progressToken: "p1", progress: 5, message: "Yes" },
    ]);
    expect(messages.at(-1)!.result!.structuredContent).toEqual({
      model: "m",
      text: "Yes",
      reasoning: "Hm",
      finish_reason: "stop",
    });
  });

  it("ends with an error as its result where the backend breaks off or refuses", async () => {
    const { gateway, backend } = await start(undefined, { tokens: 6 });
    backend.faults = [
      { kind: "cut", afterEvents: 3 },
      { kind: "status", status: 400 },
    ];
    for (const code of ["upstream_interrupted", undefined]) {
      const reply = await send(gateway, chatCall({}, watched));
      const { id, result } = messagesIn(await reply.text()).at(-1)!;
      expect([id, result!.isError]).toEqual([1, true]);
      if (code !== undefined) expect(result!._meta!["gatewright/error"]).toMatchObject({ code });
    }
  });

  it("ends with an error as its result where the backend sends what cannot be read", async () => {
    const { gateway, backend } = await start(undefined, { tokens: 6 });
    backend.faults = [
      { kind: "malformed_event", afterEvents: 3 },
      { kind: "garbage", afterEvents: 3 },
    ];
    for (let n = 0; n < 2; n++) {
      const reply = await send(gateway, chatCall({}, watched));
      const { id, result } = messagesIn(await reply.text()).at(-1)!;
      expect([id, result!.isError]).toEqual([1, true]);
      expect(result!.content[0]!.text).toMatch(/^provider_error: /);
    }
  });

  it("gives the call up where a plugin lets the stream go", async () => {
    const dropping = defineGatewayPlugin({
      name: "dropping",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (_ctx, next) => {
          discardReply(await next());
          throw new GatewayError("overloaded");
        },
      }),
    });
    const plugins = [when({ operations: ["mcp"] }, dropping()), mcp()];
    const { gateway, backend } = await start(plugins, { tokens: 10_000, tokenMs: 20 });
    expect((await send(gateway, chatCall({}, watched))).status).toBe(503);
    await waitFor("nothing runs", () => gateway.server.gateway.active === 0);
    expect(backend.requests.every(({ aborted }) => aborted)).toBe(true);
  });

  it("tells arguments at fault in the stream as well", async () => {
    const { gateway } = await start();
    const reply = await send(gateway, chatCall({ temperature: 9 }, watched), version("2025-06-18"));
    expect(messagesIn(await reply.text())).toMatchObject([{ id: 1, error: { code: -32602 } }]);
  });
});

describe("mcp, cancellation", () => {
  const SLOW = { tokens: 10_000, tokenMs: 20 };

  function cancelled(requestId: unknown): JsonObject {
    return { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId, reason: "enough" } };
  }

  it("gives a call up by `notifications/cancelled`, up to the backend", async () => {
    const { gateway, backend } = await start(undefined, SLOW);
    const session = { "mcp-session-id": await initialize(gateway) };
    for (const meta of [undefined, { progressToken: 1 }]) {
      const reply = send(gateway, chatCall({}, meta, 7), session);
      await waitFor("the request at the backend", () => backend.requests.length === 1);
      expect((await send(gateway, cancelled(7), session)).status).toBe(202);
      await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
      const text = await (await reply).text();
      // No response is sent for it: a stream just ends, and a whole reply has to say something.
      if (meta) expect(messagesIn(text).filter(({ method }) => method === undefined)).toEqual([]);
      else
        expect([(await reply).status, text]).toEqual([499, expect.stringContaining("client_closed_request")]);
      backend.clear();
    }
    expect(gateway.server.gateway.active).toBe(0);
  });

  it("gives no other call up: of another session, another key, another id or none", async () => {
    const keys = [
      { id: "agent", key: KEY },
      { id: "other", key: OTHER_KEY },
    ];
    const { gateway, backend } = await start([apiKeys({ keys }), mcp()], SLOW);
    const session = { ...bearer(KEY), "mcp-session-id": await initialize(gateway, bearer(KEY)) };
    const leaving = new AbortController();
    const calls = [
      send(gateway, chatCall({}, undefined, 7), session, { signal: leaving.signal }),
      send(gateway, chatCall({}, undefined, 7), bearer(KEY), { signal: leaving.signal }),
    ].map((call) => call.catch(() => "left"));
    await waitFor("the requests at the backend", () => backend.requests.length === 2);
    for (const [id, headers] of [
      [7, { ...session, "mcp-session-id": "another" }],
      [7, { ...session, ...bearer(OTHER_KEY) }],
      ["7", session],
      [8, session],
      [7, bearer(KEY)],
      [undefined, session],
    ] as [unknown, Headers][])
      expect((await send(gateway, cancelled(id), headers)).status).toBe(202);
    expect(backend.requests.map(({ aborted }) => aborted)).toEqual([false, false]);
    leaving.abort();
    expect(await Promise.all(calls)).toEqual(["left", "left"]);
    await waitFor("both upstream calls are closed", () => backend.requests.every(({ aborted }) => aborted));
  });

  it.each([
    ["an answer", undefined, "2025-06-18"],
    ["a stream", { progressToken: 1 }, "2025-06-18"],
    ["a stream of 2026-07-28", { progressToken: 1 }, "2026-07-28"],
  ])("gives the calls of a client up that leaves before the end of %s", async (_, meta, name) => {
    const { gateway, backend } = await start(undefined, SLOW);
    const [body, headers] =
      name === "2026-07-28"
        ? stateless(
            "tools/call",
            { name: "chat", arguments: { model: "m", prompt: "a" }, _meta: meta },
            "chat",
          )
        : [chatCall({}, meta), version(name)];
    const client = httpRequest(`${gateway.url}/mcp`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
    });
    client.on("error", () => undefined);
    const begun = new Promise((resolve) => client.on("response", (reply) => reply.once("data", resolve)));
    client.end(JSON.stringify(body));
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    if (meta) await begun;
    client.destroy();
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    await waitFor("nothing runs", () => gateway.server.gateway.active === 0);
    const lines = await requestLines(gateway, 2);
    expect(lines.map(({ outcome }) => outcome)).toEqual(["client_abort", "client_abort"]);
  });

  it("reaches a call that began before a reload", async () => {
    const { gateway, backend } = await start(undefined, SLOW);
    const session = { "mcp-session-id": await initialize(gateway) };
    const reply = send(gateway, chatCall({}, undefined, 7), session);
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    const resolved = await resolveConfig(
      { server: { port: 0 }, backends: { only: openaiBefore(backend) }, plugins: [mcp({ progressMs: 1 })] },
      { dir: ROOT },
    );
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    await gateway.server.gateway.reload(resolved.config);
    expect((await send(gateway, cancelled(7), session)).status).toBe(202);
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    expect((await reply).status).toBe(499);
  });

  it("reaches a call in another process, through state that both share", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const backend = await simulated(SLOW);
    const state = { driver: "redis", url: redis.url };
    const one = await gatewayBefore(backend, [mcp()], { state });
    const other = await gatewayBefore(backend, [mcp()], { state });
    const session = { "mcp-session-id": await initialize(one) };
    const reply = send(one, chatCall({}, undefined, 7), session);
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    expect((await send(other, cancelled(7), session)).status).toBe(202);
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    expect((await reply).status).toBe(499);
  });
});

describe("mcp, a store that is down", () => {
  it("is not missed by calls, and a cancellation that cannot be passed on is told in the log", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const backend = await simulated();
    const gateway = await gatewayBefore(backend, [mcp()], { state: { driver: "redis", url: redis.url } });
    const session = { "mcp-session-id": await initialize(gateway) };
    await redis.kill();
    expect((await resultOf(gateway, chatCall(), session)).isError).toBeUndefined();
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 99 } };
    expect((await send(gateway, cancel, session)).status).toBe(202);
    await waitFor("a line in the log", () =>
      gateway.lines.join("").includes("did not reach the other processes"),
    );
  });
});

describe("mcp, several workers", () => {
  it("serves a session whichever of them its requests meet, and cancels its calls", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const backend = await simulated({ tokens: 3 });
    const dir = await mkdtemp(join(ROOT, "node_modules", ".cache-mcp-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, "gateway.config.ts");
    const config = { state: { driver: "redis", url: redis.url }, backends: { only: openaiBefore(backend) } };
    await writeFile(
      file,
      `import { mcp } from "@gatewright/mcp";
      export default { ...${JSON.stringify(config)}, plugins: [mcp({ progressMs: 0 })] };`,
    );
    const program = await startProgram("start", file, ["--workers", "2"]);
    onTestFinished(async () => {
      program.kill("SIGKILL");
      await program.exited;
    });
    // A connection each, which workers take in turn.
    const closing = { connection: "close" };
    const session = { ...closing, "mcp-session-id": await initialize(program, closing) };
    for (let n = 0; n < 6; n++) {
      const body = n % 2 === 0 ? chatCall({}, undefined, n) : chatCall({}, { progressToken: n }, n);
      expect(await (await send(program, body, session)).text()).toContain('"content":[{"type":"text"');
    }
    Object.assign(backend.settings, { tokens: 10_000, tokenMs: 20 });
    backend.clear();
    const calls = [10, 11, 12, 13].map((id) => send(program, chatCall({}, undefined, id), session));
    await waitFor("the requests at the backend", () => backend.requests.length === 4);
    for (const id of [10, 11, 12, 13]) {
      const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } };
      expect((await send(program, cancel, session)).status).toBe(202);
    }
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([499, 499, 499, 499]);
    await waitFor("the upstream calls are closed", () => backend.requests.every(({ aborted }) => aborted));
  }, 60_000);
});

describe("mcp, batches of 2025-03-26", () => {
  it("answers each message of one, in their order, and what is none", async () => {
    const { gateway, backend } = await start(undefined, { text: "Hi" });
    const [status, replies] = await post(gateway, [
      chatCall({}, undefined, "a"),
      { jsonrpc: "2.0", method: "notifications/initialized" },
      rpc("ping", {}, 2),
      7,
      rpc("nosuch", {}, 3),
      rpc("initialize", { protocolVersion: "2025-03-26" }, 4),
      chatCall({}, undefined, "b"),
    ]);
    expect(status).toBe(200);
    expect(replies).toMatchObject([
      { id: "a", result: { content: [{ text: "Hi" }] } },
      { id: 2, result: {} },
      { error: { code: -32600 } },
      { id: 3, error: { code: -32601 } },
      { id: 4, error: { code: -32600 } },
      { id: "b", result: { content: [{ text: "Hi" }] } },
    ]);
    expect(backend.requests).toHaveLength(2);
    const ids = (await requestLines(gateway, 3)).map(({ requestId }) => requestId);
    expect(new Set(ids.map((id) => id.slice(id.indexOf(":"))))).toHaveLength(3);
  });

  it("gives all calls of one up where its client leaves", async () => {
    const { gateway, backend } = await start(undefined, { tokens: 10_000, tokenMs: 20 });
    const leaving = new AbortController();
    const calls = Array.from({ length: 20 }, (_, id) => chatCall({}, undefined, id));
    const reply = send(gateway, calls, {}, { signal: leaving.signal }).catch(() => "left");
    await waitFor("the requests at the backend", () => backend.requests.length === 20);
    leaving.abort();
    expect(await reply).toBe("left");
    await waitFor("the upstream calls are closed", () => backend.requests.every(({ aborted }) => aborted));
    await waitFor("nothing runs", () => gateway.server.gateway.active === 0);
  });

  it("takes one of notifications alone with 202", async () => {
    const { gateway } = await start();
    const reply = await send(gateway, [{ jsonrpc: "2.0", method: "notifications/initialized" }]);
    expect([reply.status, await reply.text()]).toEqual([202, ""]);
  });

  it("refuses an empty one, one that is too long, and each since 2025-06-18", async () => {
    const { gateway, backend } = await start();
    const refused = [400, { error: { code: -32600, data: { code: "invalid_request" } } }];
    expect(await post(gateway, [])).toMatchObject(refused);
    expect(await post(gateway, Array<unknown>(101).fill(chatCall()))).toMatchObject(refused);
    for (const name of VERSIONS) {
      const reply = await send(gateway, [rpc("ping")], version(name));
      expect([name, reply.status]).toEqual([name, name >= "2025-06-18" ? 400 : 200]);
      await reply.text();
    }
    expect(backend.requests).toEqual([]);
  });
});

describe("mcp, messages at fault", () => {
  it.each<[string, string, number]>([
    ["no JSON", '{"jsonrpc":', -32700],
    ["a number", "7", -32700],
    ["nothing", "", -32700],
    ["another version of JSON-RPC", '{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600],
    ["no method", '{"jsonrpc":"2.0","id":1}', -32600],
    ["a method that is no text", '{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ["an id that is null", '{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ["an id that is a fraction", '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600],
    ["parameters by position", '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600],
    ["a member twice", '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600],
  ])("refuses %s with 400", async (_, body, code) => {
    const { gateway } = await start();
    const [status, message] = await post(gateway, body);
    expect([status, message.jsonrpc, message.error!.code]).toEqual([400, "2.0", code]);
    expect(message).not.toHaveProperty("id");
  });

  it("refuses another content type with 415", async () => {
    const { gateway } = await start();
    expect((await send(gateway, rpc("ping"), { "content-type": "text/plain" })).status).toBe(415);
  });

  it("refuses a version that there is not, of requests, notifications and batches, and names those that there are", async () => {
    const { gateway } = await start();
    for (const body of [rpc("ping"), { jsonrpc: "2.0", method: "notifications/initialized" }, [rpc("ping")]])
      expect(await post(gateway, body, version("2099-01-01"))).toMatchObject([
        400,
        { error: { code: -32022, data: { supported: VERSIONS, requested: "2099-01-01" } } },
      ]);
    const params = { protocolVersion: "2025-06-18" };
    expect(await resultOf(gateway, rpc("initialize", params), version("2099-01-01"))).toMatchObject(params);
  });
});

describe("mcp, 2026-07-28", () => {
  const SERVER = {
    "io.modelcontextprotocol/serverInfo": { name: "gatewright", version: expect.any(String) as unknown },
  };
  const CHAT = { name: "chat", arguments: { model: "m", prompt: "Hello" } };

  it("discovers, lists and calls without a word before", async () => {
    const { gateway } = await start(undefined, { text: "Hi" });
    expect(await resultOf(gateway, ...stateless("server/discover"))).toEqual({
      resultType: "complete",
      supportedVersions: VERSIONS,
      capabilities: { tools: {} },
      instructions: expect.any(String) as unknown,
      ttlMs: expect.any(Number) as unknown,
      cacheScope: "public",
      _meta: SERVER,
    });
    expect(await resultOf(gateway, ...stateless("tools/list"))).toMatchObject({
      resultType: "complete",
      ttlMs: expect.any(Number) as unknown,
      cacheScope: "public",
      _meta: SERVER,
      tools: [{ name: "list_models" }, { name: "chat" }, { name: "embeddings" }],
    });
    expect(await resultOf(gateway, ...stateless("tools/call", CHAT, "chat"))).toMatchObject({
      resultType: "complete",
      content: [{ text: "Hi" }],
      structuredContent: { text: "Hi" },
      _meta: SERVER,
    });
  });

  it("keeps what else stands in `_meta`", async () => {
    const { gateway } = await start();
    const call = { name: "chat", arguments: { model: "nosuch", prompt: "a" } };
    expect(await resultOf(gateway, ...stateless("tools/call", call, "chat"))).toMatchObject({
      isError: true,
      _meta: { ...SERVER, "gatewright/error": { code: "model_not_found" } },
    });
  });

  it("gives no session's id, and no cancellation by message", async () => {
    const { gateway, backend } = await start(undefined, { tokens: 10_000, tokenMs: 20 });
    const [body, headers] = stateless("tools/call", CHAT, "chat");
    const leaving = new AbortController();
    const session = { ...headers, "mcp-session-id": "s" };
    const reply = send(gateway, body, session, { signal: leaving.signal }).catch(() => "left");
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
    expect((await send(gateway, cancel, { ...version("2026-07-28"), "mcp-session-id": "s" })).status).toBe(
      202,
    );
    expect(backend.requests[0]!.aborted).toBe(false);
    leaving.abort();
    expect(await reply).toBe("left");
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
  });

  it("answers a method that it does not have, or no longer, with 404", async () => {
    const { gateway } = await start();
    for (const method of ["ping", "resources/list", "subscriptions/listen", "nosuch"])
      expect(await post(gateway, ...stateless(method))).toMatchObject([
        404,
        { id: 1, error: { code: -32601 } },
      ]);
    expect(await post(gateway, rpc("server/discover"))).toMatchObject([200, { error: { code: -32601 } }]);
  });

  it("refuses headers that are missing or say something else than the body", async () => {
    const { gateway, backend } = await start();
    const [body, headers] = stateless("tools/call", CHAT, "chat");
    const without = (name: string): Headers =>
      Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
    for (const wrong of [
      without("mcp-protocol-version"),
      without("mcp-method"),
      without("mcp-name"),
      { ...headers, "mcp-protocol-version": "2025-11-25" },
      { ...headers, "mcp-method": "tools/list" },
      { ...headers, "mcp-name": "embeddings" },
      { ...headers, "mcp-name": "Chat" },
    ])
      expect(await post(gateway, body, wrong)).toMatchObject([400, { id: 1, error: { code: -32020 } }]);
    expect(backend.requests).toEqual([]);
  });

  it("reads a name that came as Base64", async () => {
    const { gateway } = await start();
    const name = `=?base64?${Buffer.from("chat").toString("base64")}?=`;
    expect((await resultOf(gateway, ...stateless("tools/call", CHAT, name))).isError).toBeUndefined();
  });

  it("refuses a request without what it has to say of itself", async () => {
    const { gateway } = await start();
    for (const _meta of [
      { "io.modelcontextprotocol/protocolVersion": undefined },
      { "io.modelcontextprotocol/clientCapabilities": undefined },
    ])
      expect(await post(gateway, ...stateless("tools/list", { _meta }))).toMatchObject([
        400,
        { id: 1, error: { code: -32602 } },
      ]);
    const [body] = stateless("tools/list", {
      _meta: { "io.modelcontextprotocol/protocolVersion": "2099-01-01" },
    });
    expect(await post(gateway, body, { ...version("2099-01-01"), "mcp-method": "tools/list" })).toMatchObject(
      [400, { id: 1, error: { code: -32022, data: { requested: "2099-01-01", supported: VERSIONS } } }],
    );
  });

  it("streams progress, and its result says that it is complete", async () => {
    const { gateway } = await start(undefined, { tokens: 3 });
    const call = { ...CHAT, _meta: { progressToken: 5 } };
    const reply = await send(gateway, ...stateless("tools/call", call, "chat"));
    expect(reply.headers.get("content-type")).toBe("text/event-stream");
    const messages = messagesIn(await reply.text());
    expect(messages).toHaveLength(4);
    expect(messages.at(-1)).toMatchObject({ id: 1, result: { resultType: "complete", _meta: SERVER } });
  });
});
