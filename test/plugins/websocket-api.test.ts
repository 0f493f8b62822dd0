import { readFileSync } from "node:fs";
import { once } from "node:events";
import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import { cache } from "@gatewright/cache";
import { concurrency } from "@gatewright/concurrency";
import { geminiApi } from "@gatewright/gemini-api";
import { rateLimit } from "@gatewright/rate-limit";
import { websocketApi } from "@gatewright/websocket-api";
import { defineGatewayPlugin, resolveConfig, when, type Finished, type Plugin } from "gatewright";
import type { PluginCondition } from "../../core/src/config/when.ts";
import { WebSocket as BrowserSocket } from "undici";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { ROOT } from "../_support/program.ts";
import {
  chunk,
  replyHead,
  startScriptedUpstream,
  type ScriptedUpstream,
} from "../_support/scripted-upstream.ts";
import { waitFor, waitForStandstill } from "../_support/wait-for.ts";
import { findFaults } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "websocket-api", factory: "websocketApi", create: () => websocketApi() });

const KEY = "sk-websocket-0123456789abcdefghi";
const CHAT = "/v1/chat/completions";
const MODEL = "m";
const STREAM_ERROR = "The backend reported an error in its stream";

interface Message {
  id: string | null;
  event: "chunk" | "done" | "error";
  status?: number;
  headers?: Record<string, string>;
  data: {
    error?: { code: string; param: string | null; message: string };
    object?: string;
    choices?: { delta?: { content?: string } }[];
  } | null;
}

interface Seen {
  readonly id: string;
  readonly operation: string;
  readonly client: string;
  finished?: Finished;
}

/** Notes every request that passes its place in the chain, and its end. */
function watch(seen: Seen[]): Plugin {
  return defineGatewayPlugin({
    name: "watch",
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware: (ctx, next) => {
        const entry: Seen = {
          id: ctx.id,
          operation: ctx.operation.name,
          client: ctx.request.clientAddress,
        };
        seen.push(entry);
        ctx.onFinished((finished) => (entry.finished = finished));
        return next();
      },
    }),
  })();
}

interface Started {
  readonly backend: SimulatedBackend;
  readonly gateway: TestGateway;
}

async function startBackend(settings: Record<string, unknown> = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", models: [MODEL], tokens: 4, ...settings });
  onTestFinished(() => backend.close());
  return backend;
}

function configOf(
  { url }: { url: string },
  plugins: readonly (Plugin | PluginCondition)[],
  config: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    backends: { only: { adapter: "openai", baseURL: `${url}/v1`, models: [MODEL] } },
    plugins,
    ...config,
  };
}

async function serve(
  upstream: { url: string },
  plugins: readonly (Plugin | PluginCondition)[] = [websocketApi()],
  config: Record<string, unknown> = {},
): Promise<TestGateway> {
  const gateway = await startTestGateway(configOf(upstream, plugins, config));
  onTestFinished(() => gateway.close());
  return gateway;
}

async function start(
  plugins?: readonly (Plugin | PluginCondition)[],
  config?: Record<string, unknown>,
  settings?: Record<string, unknown>,
): Promise<Started> {
  const backend = await startBackend(settings);
  return { backend, gateway: await serve(backend, plugins, config) };
}

interface Client {
  readonly socket: WebSocket;
  /** As they came. */
  readonly texts: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly messages: readonly Message[];
  readonly of: (id: string | null) => Message[];
  send(message: unknown): void;
  /** The last message of a request. */
  end(id: string | null): Promise<Message>;
}

interface Dial extends ClientOptions {
  protocols?: string[];
  query?: string;
}

function dial(gateway: TestGateway, { protocols = [], query = "", ...options }: Dial = {}): Client {
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/ws${query}`, protocols, options);
  onTestFinished(() => socket.terminate());
  const texts: string[] = [];
  const messages: Message[] = [];
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const text = (data as Buffer).toString();
    texts.push(text);
    messages.push(JSON.parse(text) as Message);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  const of = (id: string | null): Message[] => messages.filter((message) => message.id === id);
  return {
    socket,
    texts,
    closed,
    messages,
    of,
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    end: (id) => waitFor(`the end of ${id}`, () => of(id).find(({ event }) => event !== "chunk")),
  };
}

async function open(gateway: TestGateway, options?: Dial): Promise<Client> {
  const client = dial(gateway, options);
  await once(client.socket, "open");
  return client;
}

/** Status and code of a handshake that is refused. */
async function refusal(gateway: TestGateway, options?: Dial): Promise<[number, string]> {
  const { socket } = dial(gateway, options);
  const [, response] = (await once(socket, "unexpected-response")) as [
    unknown,
    NodeJS.ReadableStream & { statusCode: number },
  ];
  let text = "";
  for await (const piece of response) text += String(piece);
  const { error } = JSON.parse(text) as { error: { code: string } };
  return [response.statusCode, error.code];
}

function chat(id: string, fields: object = {}): Record<string, unknown> {
  return {
    id,
    endpoint: CHAT,
    body: { model: MODEL, messages: [{ role: "user", content: id }], ...fields },
  };
}

function post(gateway: TestGateway, path: string, body: unknown, headers: object = {}): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** Answers every request with the same bytes. */
async function answering(...pieces: (string | Buffer)[]): Promise<ScriptedUpstream & { bodies: string[] }> {
  const bodies: string[] = [];
  const upstream = await startScriptedUpstream(async (connection) => {
    for (;;) {
      const { body } = await connection.readRequest();
      bodies.push(body.toString());
      for (const piece of pieces) await connection.send(piece);
    }
  });
  onTestFinished(() => upstream.close());
  return Object.defineProperties({ bodies } as ScriptedUpstream & { bodies: string[] }, {
    ...Object.getOwnPropertyDescriptors(upstream),
  });
}

const SSE_HEAD = replyHead(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked" });

function dataLines(text: string): string[] {
  return Array.from(text.matchAll(/^data: (.*)$/gm), ([, data]) => data!);
}

const active = (gateway: TestGateway): number => gateway.server.gateway.active;

describe("a request", () => {
  it("in-16: is answered by one done with the reply as it came", async () => {
    const reply = `{"id":"c", "object":"chat.completion","seed":12345678901234567890,"model":"${MODEL}","choices":[{"index":0,"message":{"role":"assistant","content":"ü"},"finish_reason":"stop"}]}`;
    const length = String(Buffer.byteLength(reply));
    const upstream = await answering(
      replyHead(200, { "content-type": "application/json", "content-length": length }) + reply,
    );
    const gateway = await serve(upstream);
    const client = await open(gateway, { headers: { "x-request-id": "mine" } });
    const body = `{"model":"${MODEL}", "messages":[{"role":"user","content":"\\u00fc"}],"seed":12345678901234567890}`;
    client.send(`{"id":"a","endpoint":"${CHAT}","body":${body}}`);
    const done = await client.end("a");
    expect(done).toMatchObject({ event: "done", status: 200, headers: { "x-request-id": "mine:0" } });
    expect(client.texts).toHaveLength(1);
    expect(client.texts[0]!.endsWith(`,"data":${reply}}`)).toBe(true);
    expect(upstream.bodies).toEqual([body]);
  });

  it("in-16: that streams has a chunk for each event, equal to those of SSE, then done without data", async () => {
    const events = [
      `{"id":"c","object":"chat.completion.chunk","model":"${MODEL}","choices":[{"index":0,"delta":{"role":"assistant","content":"one"},"finish_reason":null}]}`,
      `{ "id" : "c","n":12345678901234567890, "model":"${MODEL}","choices":[{"index":0,"delta":{"content":"\\ud83d\\ude00 \\n two"},"finish_reason":null}]}`,
      `{"id":"c","model":"${MODEL}","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
    ];
    const body = [...events, "[DONE]"].map((data) => chunk(`data: ${data}\n\n`));
    const gateway = await serve(await answering(SSE_HEAD, ...body, "0\r\n\r\n"));
    const client = await open(gateway);
    client.send(chat("a", { stream: true }));
    await client.end("a");
    const overSse = await (await post(gateway, CHAT, chat("a", { stream: true })["body"])).text();
    expect(dataLines(overSse)).toEqual([...events, "[DONE]"]);
    expect(client.texts.slice(0, -1)).toEqual(
      events.map((data) => `{"id":"a","event":"chunk","data":${data}}`),
    );
    expect(client.messages.at(-1)).toMatchObject({ id: "a", event: "done", status: 200, data: null });
  });

  it("in-16: comes piece by piece, as soon as the backend sends", async () => {
    let goOn!: () => void;
    const told = new Promise<void>((resolve) => (goOn = resolve));
    const event = (content: string, finish: string | null = null): Buffer =>
      chunk(
        `data: ${JSON.stringify({ id: "c", model: MODEL, choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`,
      );
    const upstream = await startScriptedUpstream(async (connection) => {
      await connection.readRequest();
      await connection.send(Buffer.concat([Buffer.from(SSE_HEAD), event("one")]));
      await told;
      await connection.send(
        Buffer.concat([event("two", "stop"), chunk("data: [DONE]\n\n"), Buffer.from("0\r\n\r\n")]),
      );
    });
    onTestFinished(() => upstream.close());
    const client = await open(await serve(upstream));
    client.send(chat("a", { stream: true }));
    await waitFor("the first chunk", () => client.texts.length === 1);
    goOn();
    expect((await client.end("a")).event).toBe("done");
    expect(client.texts).toHaveLength(3);
  });

  it("runs beside others, each told apart by its id", async () => {
    const { gateway } = await start(undefined, undefined, { tokens: 6, tokenMs: 5 });
    const client = await open(gateway);
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) client.send(chat(id, { stream: true }));
    for (const id of ids) expect((await client.end(id)).event).toBe("done");
    const order = client.messages.map(({ id }) => id);
    expect(order.lastIndexOf("a")).toBeGreaterThan(order.indexOf("d"));
    for (const id of ids) expect(client.of(id).length).toBeGreaterThan(6);
  });

  it.each([
    ["/v1/embeddings", { model: MODEL, input: "x" }, "list"],
    ["/v1/moderations", { model: MODEL, input: "x" }, undefined],
  ])("goes to any endpoint: %s", async (endpoint, body, object) => {
    const { gateway } = await start();
    const client = await open(gateway);
    client.send({ id: "a", endpoint, body });
    const done = await client.end("a");
    expect(done.event).toBe("done");
    if (object) expect(done.data!.object).toBe(object);
  });

  it("has the events and the errors of the front door that it goes to", async () => {
    const { gateway } = await start([websocketApi(), anthropicApi()]);
    const client = await open(gateway, { headers: { "anthropic-version": "2023-06-01" } });
    const body = { model: MODEL, max_tokens: 50, messages: [{ role: "user", content: "x" }] };
    client.send({ id: "a", endpoint: "/v1/messages", body: { ...body, stream: true } });
    await client.end("a");
    const types = client.of("a").map(({ data }) => (data as { type?: string } | null)?.type);
    expect([types[0], types.at(-2), types.at(-1)]).toEqual(["message_start", "message_stop", undefined]);
    client.send({ id: "b", endpoint: "/v1/messages", body: { ...body, model: "nobody" } });
    expect(await client.end("b")).toMatchObject({
      status: 404,
      data: { type: "error", error: { type: "not_found_error" } },
    });
  });

  it("whose reply is no text has its bytes as chunks in base64", async () => {
    const { gateway } = await start(undefined, undefined, { speechBytes: 200_000 });
    const client = await open(gateway);
    const body = { model: MODEL, input: "say", voice: "alloy" };
    client.send({ id: "a", endpoint: "/v1/audio/speech", body });
    const done = await client.end("a");
    expect(done).toMatchObject({ event: "done", data: null, headers: { "content-type": "audio/mpeg" } });
    const chunks = client.of("a").slice(0, -1);
    const pieces = chunks.map(({ data }) => Buffer.from(data as unknown as string, "base64"));
    expect(Math.min(...pieces.map(({ length }) => length))).toBeGreaterThan(0);
    const overHttp = Buffer.from(await (await post(gateway, "/v1/audio/speech", body)).arrayBuffer());
    expect(Buffer.concat(pieces).equals(overHttp)).toBe(true);
  });

  it("has a reply of megabytes, in frames", async () => {
    const { gateway } = await start(undefined, undefined, { dimensions: 50_000 });
    const client = await open(gateway);
    const body = { model: MODEL, input: ["x", "y", "z"], encoding_format: "float" };
    client.send({ id: "a", endpoint: "/v1/embeddings", body });
    client.send({ id: "b", endpoint: "/v1/embeddings", body });
    const done = await client.end("a");
    await client.end("b");
    expect(client.texts[0]!.length).toBeGreaterThan(1_000_000);
    const overHttp = (await (await post(gateway, "/v1/embeddings", body)).json()) as object;
    expect(done.data).toEqual(overHttp);
  });

  it("is refused without a backend being asked when a message is no request, and the connection stays", async () => {
    const { backend, gateway } = await start();
    const client = await open(gateway);
    const cases: [unknown, string | null, number, string, string | null][] = [
      ["{oh", null, 400, "invalid_json", null],
      ["[]", null, 400, "invalid_json", null],
      ['"text"', null, 400, "invalid_json", null],
      ["", null, 400, "invalid_json", null],
      ['{"id":"x","id":"y"}', null, 400, "duplicate_field", "id"],
      [{ ...chat("x"), id: 7 }, null, 400, "invalid_request", "id"],
      [{ ...chat("x"), id: "" }, null, 400, "invalid_request", "id"],
      [{ ...chat("x"), id: "x".repeat(257) }, null, 400, "invalid_request", "id"],
      [{ id: "1", body: {} }, "1", 400, "invalid_request", "endpoint"],
      [{ id: "2", endpoint: "http://elsewhere/", body: {} }, "2", 400, "invalid_request", "endpoint"],
      [{ id: "3", endpoint: CHAT }, "3", 400, "missing_parameter", "body"],
      [{ id: "4", event: "pause" }, "4", 400, "invalid_request", "event"],
      [{ id: "5", endpoint: "/v1/nothing", body: {} }, "5", 404, "not_found", null],
      [{ id: "6", endpoint: "//elsewhere/v1/embeddings", body: {} }, "6", 404, "not_found", null],
      [{ id: "7", endpoint: "/readyz", body: {} }, "7", 404, "not_found", null],
      [{ id: "8", endpoint: "/v1/models", body: {} }, "8", 405, "method_not_allowed", null],
      [{ id: "9", endpoint: CHAT, body: [] }, "9", 400, "invalid_json", null],
      [chat("10", { messages: 7 }), "10", 400, "invalid_request", "messages"],
      [
        { id: "11", endpoint: "/v1/audio/transcriptions", body: {} },
        "11",
        415,
        "unsupported_media_type",
        null,
      ],
      [chat("12", { model: "nobody" }), "12", 404, "model_not_found", "model"],
    ];
    for (const [message, id, status, code, param] of cases) {
      const before = client.texts.length;
      client.send(message);
      await waitFor("the answer", () => client.texts.length > before);
      const answer = client.messages.at(-1)!;
      expect({ message, answer }).toMatchObject({
        answer: { id, event: "error", status, data: { error: { code, param } } },
      });
    }
    expect(backend.requests).toHaveLength(0);
    client.send(chat("after"));
    expect((await client.end("after")).event).toBe("done");
  });

  it("whose stream is silent for a while has no message for what keeps an SSE stream open", async () => {
    const limits = { streamKeepAliveMs: 50 };
    const { gateway } = await start(undefined, { server: { limits } }, { tokens: 3, tokenMs: 200 });
    const body = chat("a", { stream: true })["body"];
    const overSse = await (await post(gateway, CHAT, body)).text();
    expect(overSse).toContain(": keep-alive");
    const client = await open(gateway);
    client.send(chat("a", { stream: true }));
    await client.end("a");
    expect(client.messages).toHaveLength(dataLines(overSse).length);
  });

  it("in-16: whose stream breaks off ends in an error, and never in done", async () => {
    const { backend, gateway } = await start(undefined, undefined, { tokens: 8 });
    backend.faults = [{ kind: "cut", afterEvents: 4 }];
    const client = await open(gateway);
    client.send(chat("a", { stream: true }));
    expect(await client.end("a")).toMatchObject({
      event: "error",
      status: 502,
      data: { error: { code: "upstream_interrupted" } },
    });
    expect(client.of("a").filter(({ event }) => event === "chunk").length).toBeGreaterThan(0);
  });

  it.each([
    ["", CHAT, { error: { message: STREAM_ERROR } }],
    ["anthropic-version", "/v1/messages", { type: "error", error: { message: STREAM_ERROR } }],
    [
      "",
      `/v1beta/models/${MODEL}:streamGenerateContent?alt=sse`,
      { error: { code: 502, status: "UNAVAILABLE" } },
    ],
  ])(
    "%s whose backend reports an error after content ends in it, in each dialect: %s",
    async (header, endpoint, data) => {
      const { backend, gateway } = await start([websocketApi(), anthropicApi(), geminiApi()], undefined, {
        tokens: 8,
      });
      backend.faults = [
        { kind: "stream_error", afterEvents: 4, message: "out of memory", code: "constructor" },
      ];
      const client = await open(gateway, header === "" ? {} : { headers: { [header]: "2023-06-01" } });
      const messages = [{ role: "user", content: "x" }];
      const contents = [{ role: "user", parts: [{ text: "x" }] }];
      const body = endpoint.startsWith("/v1beta")
        ? { contents }
        : { model: MODEL, max_tokens: 50, messages, stream: true };
      client.send({ id: "a", endpoint, body });
      expect(await client.end("a")).toMatchObject({ event: "error", status: 502, data });
      expect(client.of("a").length).toBeGreaterThan(1);
    },
  );

  it("whose audio breaks off ends in an error too", async () => {
    const { backend, gateway } = await start(undefined, undefined, { speechBytes: 300_000 });
    backend.faults = [{ kind: "cut", afterBytes: 100_000 }];
    const client = await open(gateway);
    client.send({ id: "a", endpoint: "/v1/audio/speech", body: { model: MODEL, input: "x", voice: "y" } });
    expect(await client.end("a")).toMatchObject({ event: "error", status: 502 });
  });

  it("cannot be answered in another's name by a backend", async () => {
    const forged = `{"a":1}},"id":"b","event":"done","x":{"y":{}`;
    const length = String(forged.length);
    const gateway = await serve(
      await answering(
        replyHead(200, { "content-type": "application/json", "content-length": length }) + forged,
      ),
    );
    const client = await open(gateway);
    client.send({ id: "a", endpoint: "/v1/audio/speech", body: { model: MODEL, input: "x", voice: "y" } });
    const last = await client.end("a");
    expect(last).toMatchObject({ id: "a", status: 502 });
    expect(client.of("b")).toEqual([]);
  });
});

describe("several requests", () => {
  it("in-16: run up to maxConcurrent at once; one more is 429, and there is room again when one ends", async () => {
    const { backend, gateway } = await start([websocketApi({ maxConcurrent: 2 })]);
    backend.faults = () => ({ kind: "no_answer" });
    const client = await open(gateway);
    for (const id of ["a", "b", "c"]) client.send(chat(id));
    expect(await client.end("c")).toMatchObject({
      status: 429,
      data: { error: { code: "too_many_requests" } },
    });
    await waitFor("both", () => backend.requests.length === 2);
    client.send({ id: "a", event: "cancel" });
    await client.end("a");
    backend.faults = [];
    client.send(chat("d"));
    expect((await client.end("d")).event).toBe("done");
    expect(client.of("b")).toEqual([]);
  });

  it("take 16 by default", async () => {
    const { backend, gateway } = await start();
    backend.faults = () => ({ kind: "no_answer" });
    const client = await open(gateway);
    for (let n = 1; n <= 17; n++) client.send(chat(`r${n}`));
    await client.end("r17");
    await waitFor("sixteen", () => backend.requests.length === 16);
    expect(client.texts).toHaveLength(1);
  });

  it("in-16: have ids of their own; one that is taken is refused, and free when its request has ended", async () => {
    const { backend, gateway } = await start();
    backend.faults = [{ kind: "delay", ms: 150 }];
    const client = await open(gateway);
    client.send(chat("a"));
    client.send(chat("a"));
    await waitFor("both answers", () => client.of("a").length === 2);
    expect(client.of("a")).toMatchObject([
      { event: "error", status: 409, data: { error: { code: "duplicate_id", param: "id" } } },
      { event: "done" },
    ]);
    client.send(chat("a"));
    await waitFor("the third", () => client.of("a").length === 3);
    expect(client.of("a").at(-1)!.event).toBe("done");
    expect(backend.requests).toHaveLength(2);
  });

  it("are cancelled one by one: the call is closed, the outcome client_abort, the others go on", async () => {
    const seen: Seen[] = [];
    const { backend, gateway } = await start([watch(seen), websocketApi()], undefined, {
      tokens: 10_000,
      tokenMs: 5,
    });
    const client = await open(gateway);
    client.send(chat("stream", { stream: true }));
    client.send(chat("whole"));
    client.send(chat("other", { stream: true }));
    await waitFor("both streams", () => client.of("stream").length > 2 && client.of("other").length > 2);
    for (const id of ["stream", "whole"]) client.send({ id, event: "cancel" });
    for (const id of ["stream", "whole"])
      expect(await client.end(id)).toMatchObject({
        event: "error",
        status: 499,
        data: { error: { code: "client_closed_request" } },
      });
    await waitFor(
      "two closed calls",
      () => backend.requests.filter(({ aborted }) => aborted).length === 2,
      1_000,
    );
    const before = client.of("other").length;
    await waitFor("more of the other", () => client.of("other").length > before);
    const outcomes = seen
      .filter(({ operation }) => operation === "chat")
      .map(({ finished }) => finished?.outcome);
    expect(outcomes).toEqual(["client_abort", "client_abort", undefined]);
    client.send({ id: "stream", event: "cancel" });
    client.send({ id: "nobody", event: "cancel" });
    const told = client.of("stream").length;
    client.send(chat("next", { max_tokens: 1 }));
    await client.end("next");
    expect([client.of("stream").length, client.of("nobody")]).toEqual([told, []]);
  });

  it.each([
    ["breaks off", (client: Client) => client.socket.terminate()],
    ["closes the connection", (client: Client) => client.socket.close(1000)],
  ])("in-16: are all ended at their backends when the client %s", async (_, leave) => {
    const seen: Seen[] = [];
    const { backend, gateway } = await start([watch(seen), websocketApi()], undefined, {
      tokens: 10_000,
      tokenMs: 5,
    });
    const client = await open(gateway);
    for (const id of ["a", "b"]) client.send(chat(id, { stream: true }));
    await waitFor("both", () => client.of("a").length > 1 && client.of("b").length > 1);
    leave(client);
    await waitFor("the closed calls", () => backend.requests.every(({ aborted }) => aborted), 1_000);
    await waitFor("the end", () => active(gateway) === 0);
    expect(
      seen.filter(({ operation }) => operation === "chat").map(({ finished }) => finished!.outcome),
    ).toEqual(["client_abort", "client_abort"]);
  });
});

describe("the way through the chain", () => {
  const keys = (extra: NonNullable<Parameters<typeof apiKeys>[0]>["keys"] = []): Plugin =>
    apiKeys({ keys: [{ id: "app", key: KEY }, ...extra], queryKeys: true });
  const bearer = { headers: { authorization: `Bearer ${KEY}` } };

  it("in-16: asks for a key at the upgrade, in a header, the query or a subprotocol", async () => {
    const { gateway } = await start([keys(), websocketApi()]);
    expect(await refusal(gateway)).toEqual([401, "invalid_api_key"]);
    const wrong = ["gatewright", "openai-insecure-api-key.sk-of-nobody"];
    expect(await refusal(gateway, { protocols: wrong })).toEqual([401, "invalid_api_key"]);
    const protocols = ["gatewright", `openai-insecure-api-key.${KEY}`];
    const ways: Dial[] = [bearer, { headers: { "x-api-key": KEY } }, { query: `?key=${KEY}` }, { protocols }];
    for (const way of ways) {
      const client = await open(gateway, way);
      client.send(chat("a"));
      expect((await client.end("a")).event).toBe("done");
      expect(client.socket.protocol).toBe(way.protocols ? "gatewright" : "");
    }
  });

  it("in-16: is that of each request, with the client's address and an id of its own; none of the key goes upstream", async () => {
    const seen: Seen[] = [];
    const { backend, gateway } = await start([keys(), websocketApi(), watch(seen)]);
    const client = await open(gateway, { headers: { ...bearer.headers, "x-request-id": "mine" } });
    for (const id of ["a", "b"]) {
      client.send(chat(id));
      expect((await client.end(id)).headers!["x-request-id"]).toBe(`mine:${id === "a" ? 0 : 1}`);
    }
    expect(seen.map(({ id, operation, client: address }) => [id, operation, address])).toEqual([
      ["mine:0", "chat", "127.0.0.1"],
      ["mine:1", "chat", "127.0.0.1"],
    ]);
    expect(JSON.stringify(backend.requests.map(({ headers }) => headers))).not.toMatch(
      /sk-websocket|sec-websocket|upgrade/,
    );
  });

  it("asks each request for its scope, and lets any key connect", async () => {
    const { gateway } = await start([
      keys([{ id: "chat", key: `${KEY}-chat`, scopes: ["chat"] }]),
      websocketApi(),
    ]);
    const client = await open(gateway, { headers: { "x-api-key": `${KEY}-chat` } });
    client.send(chat("a"));
    client.send({ id: "b", endpoint: "/v1/embeddings", body: { model: MODEL, input: "x" } });
    expect((await client.end("a")).event).toBe("done");
    expect(await client.end("b")).toMatchObject({
      status: 403,
      data: { error: { code: "insufficient_permissions" } },
    });
  });

  it("a refused key closes no connection that needed none", async () => {
    const { gateway } = await start([when({ operations: ["embeddings"] }, keys()), websocketApi()]);
    const client = await open(gateway);
    client.send({ id: "a", endpoint: "/v1/embeddings", body: { model: MODEL, input: "x" } });
    expect(await client.end("a")).toMatchObject({
      status: 401,
      data: { error: { code: "invalid_api_key" } },
    });
    client.send(chat("b"));
    expect((await client.end("b")).event).toBe("done");
  });

  it("limits count each request, and not the connection", async () => {
    const { gateway } = await start([
      keys(),
      rateLimit({ algorithm: "sliding-window", rate: 2, per: "day" }),
      websocketApi(),
    ]);
    const client = await open(gateway, bearer);
    for (const id of ["a", "b", "c"]) {
      client.send(chat(id));
      await client.end(id);
    }
    expect(client.messages.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(Number((await client.end("c")).headers!["retry-after"])).toBeGreaterThan(0);
    expect((await post(gateway, CHAT, chat("d")["body"], bearer.headers)).status).toBe(429);
  });

  it("a connection takes no slot that its requests wait for", async () => {
    const { gateway } = await start([concurrency({ maxConcurrent: 1, queue: {} }), websocketApi()]);
    const client = await open(gateway);
    for (const id of ["a", "b", "c"]) client.send(chat(id));
    for (const id of ["a", "b", "c"]) expect((await client.end(id)).event).toBe("done");
  });

  it("a plugin whose condition names it holds the connection for as long as it lasts", async () => {
    const { gateway } = await start([
      when(
        { operations: ["webSocket"] },
        concurrency({ maxConcurrent: 1, queue: { maxEntries: 1, maxWaitMs: 50 } }),
      ),
      websocketApi(),
    ]);
    const client = await open(gateway);
    expect(await refusal(gateway)).toEqual([504, "timeout"]);
    client.socket.close();
    await client.closed;
    await waitFor("the end", () => active(gateway) === 0);
    await open(gateway);
  });

  it("cached answers are given to either way in", async () => {
    const { backend, gateway } = await start([cache(), websocketApi()]);
    const body = chat("same", { temperature: 0 })["body"];
    await (await post(gateway, CHAT, body)).text();
    const client = await open(gateway);
    client.send({ id: "first", endpoint: CHAT, body });
    expect((await client.end("first")).headers!["x-request-id"]).toMatch(/:0$/);
    client.send({ id: "again", endpoint: CHAT, body });
    expect((await client.end("again")).data).toEqual((await client.end("first")).data);
    expect(backend.requests).toHaveLength(1);
  });

  it("in-16: every request leaves its line with its usage, and the connection one at its end", async () => {
    const { gateway } = await start([keys(), websocketApi()]);
    const client = await open(gateway, bearer);
    client.send(chat("a"));
    client.send(chat("b", { stream: true }));
    for (const id of ["a", "b"]) await client.end(id);
    client.socket.close();
    const lines = await waitFor("three lines", () => {
      const all = gateway.lines.flatMap((text) => text.trim().split("\n"));
      const found = all.map((line) => JSON.parse(line) as Record<string, unknown>);
      const requests = found.filter(({ message }) => message === "request");
      return requests.length === 3 ? requests : undefined;
    });
    expect(lines.map(({ operation }) => operation)).toEqual(["chat", "chat", "webSocket"]);
    for (const line of lines.slice(0, 2))
      expect(line).toMatchObject({ key: "app", outcome: "complete", status: 200, outputTokens: 4 });
    expect(lines[2]).toMatchObject({ key: "app", outcome: "complete", status: 101 });
    expect(lines[2]!["bytesIn"]).toBeGreaterThan(0);
  });

  it.each<[string, object, Dial, boolean]>([
    ["a page with a key", {}, { ...bearer, origin: "https://anywhere.example" }, true],
    [
      "a page that is not named, with a key",
      { allowedOrigins: ["https://app.example"] },
      { ...bearer, origin: "https://anywhere.example" },
      false,
    ],
    [
      "a page that is named",
      { allowedOrigins: ["https://app.example"] },
      { ...bearer, origin: "https://app.example" },
      true,
    ],
    ["what is no page", { allowedOrigins: [] }, bearer, true],
  ])("%s may connect with %j: as the options say", async (_, options, how, allowed) => {
    const { gateway } = await start([keys(), websocketApi(options)]);
    if (allowed) await open(gateway, how);
    else expect(await refusal(gateway, how)).toEqual([403, "origin_not_allowed"]);
  });

  it("a page without a key may not use a gateway that asks nobody for one", async () => {
    const { gateway } = await start();
    expect(await refusal(gateway, { origin: "https://evil.example" })).toEqual([403, "origin_not_allowed"]);
    const named = await start([websocketApi({ allowedOrigins: ["http://localhost:3000"] })]);
    await open(named.gateway, { origin: "http://localhost:3000" });
  });
});

describe("a reload", () => {
  const reload = async (gateway: TestGateway, config: Record<string, unknown>): Promise<void> => {
    const resolved = await resolveConfig(
      { server: { host: "127.0.0.1", port: 0 }, ...config },
      { dir: ROOT },
    );
    if (!resolved.ok) throw new Error(JSON.stringify(resolved.faults));
    await gateway.server.gateway.reload(resolved.config);
  };

  it("keeps the connection, whose next request goes through the new config; what runs ends under the old", async () => {
    const { backend, gateway } = await start(undefined, undefined, { tokens: 20, tokenMs: 20 });
    const second = await startBackend();
    const client = await open(gateway);
    client.send(chat("old", { stream: true }));
    await waitFor("its first chunk", () => client.of("old").length > 0);
    await reload(gateway, configOf(second, [websocketApi()]));
    client.send(chat("new"));
    expect((await client.end("new")).event).toBe("done");
    expect((await client.end("old")).event).toBe("done");
    expect([backend.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("in-16: that takes the key away closes the connection with 1008, once what runs has ended", async () => {
    const plugins = (key: string): Plugin[] => [apiKeys({ keys: [{ id: "app", key }] }), websocketApi()];
    const { backend, gateway } = await start(plugins(KEY), undefined, { tokens: 20, tokenMs: 20 });
    const client = await open(gateway, { headers: { "x-api-key": KEY } });
    client.send(chat("old", { stream: true }));
    await waitFor("its first chunk", () => client.of("old").length > 0);
    await reload(gateway, configOf(backend, plugins(`${KEY}-of-another`)));
    client.send(chat("new"));
    expect(await client.end("new")).toMatchObject({
      status: 401,
      data: { error: { code: "invalid_api_key" } },
    });
    expect((await client.closed).code).toBe(1008);
    expect(client.of("old").at(-1)!.event).toBe("done");
  });
});

describe("the end of a connection", () => {
  it("in-16: comes with 1001 when the gateway stops, once what runs has ended; new requests are refused", async () => {
    const { gateway } = await start(undefined, undefined, { tokens: 60, tokenMs: 20 });
    const client = await open(gateway);
    const idle = await open(gateway);
    client.send(chat("a", { stream: true }));
    await waitFor("its first chunk", () => client.of("a").length > 0);
    const stopped = gateway.server.stop(10_000);
    expect((await idle.closed).code).toBe(1001);
    client.send(chat("late"));
    expect(await client.end("late")).toMatchObject({ status: 503, data: { error: { code: "draining" } } });
    expect((await client.closed).code).toBe(1001);
    expect(client.of("a").at(-1)!.event).toBe("done");
    expect(await stopped).toBe(true);
  });

  it("comes with 1001 when the time to stop is over, after an error for what ran", async () => {
    const { gateway } = await start(undefined, undefined, { tokens: 10_000, tokenMs: 20 });
    const client = await open(gateway);
    client.send(chat("a", { stream: true }));
    await waitFor("its first chunk", () => client.of("a").length > 0);
    expect(await gateway.server.stop(0)).toBe(false);
    expect((await client.closed).code).toBe(1001);
    expect(client.of("a").at(-1)).toMatchObject({
      event: "error",
      status: 503,
      data: { error: { code: "draining" } },
    });
  });

  it("comes with 1001 after maxSessionMs, once what runs has ended", async () => {
    const { gateway } = await start([websocketApi({ maxSessionMs: 500 })], undefined, {
      tokens: 40,
      tokenMs: 30,
    });
    const client = await open(gateway);
    client.send(chat("a", { stream: true }));
    expect((await client.closed).code).toBe(1001);
    expect(client.of("a").at(-1)!.event).toBe("done");
  });

  it("comes with 1003 after a binary message", async () => {
    const { backend, gateway } = await start();
    const client = await open(gateway);
    client.socket.send(Buffer.from(JSON.stringify(chat("a"))));
    client.send(chat("b"));
    expect((await client.closed).code).toBe(1003);
    expect(backend.requests).toHaveLength(0);
  });

  it("comes with 1009 after a message above the limit of JSON bodies", async () => {
    const { gateway } = await start(undefined, { server: { limits: { jsonBytes: 2_000 } } });
    const client = await open(gateway);
    client.send(chat("fits", { user: "x".repeat(1_800) }));
    await client.end("fits");
    client.send(chat("large", { user: "x".repeat(2_000) }));
    expect((await client.closed).code).toBe(1009);
  });

  it("comes with 1007 after text that is no UTF-8", async () => {
    const { gateway } = await start();
    const client = await open(gateway);
    client.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
    expect((await client.closed).code).toBe(1007);
  });

  it("comes when the client gives no sign of life, and not while it does", async () => {
    const { gateway } = await start([websocketApi({ pingIntervalMs: 400 })]);
    const alive = await open(gateway);
    let pings = 0;
    alive.socket.on("ping", () => pings++);
    const dead = await open(gateway, { autoPong: false });
    expect((await dead.closed).code).toBe(1006);
    await waitFor("more pings", () => pings >= 3);
    expect(alive.socket.readyState).toBe(WebSocket.OPEN);
    await waitFor("one left", () => active(gateway) === 1);
  });

  it("answers pings of the client", async () => {
    const { gateway } = await start();
    const client = await open(gateway);
    client.socket.ping("are you there");
    const [data] = (await once(client.socket, "pong")) as [Buffer];
    expect(data.toString()).toBe("are you there");
  });

  it("a plain request of the path is 426", async () => {
    const { gateway } = await start();
    expect((await fetch(`${gateway.url}/v1/ws`)).status).toBe(426);
    expect((await post(gateway, "/v1/ws", {})).status).toBe(405);
  });
});

describe("a client that reads slowly", () => {
  const PIECE = "x".repeat(16_000);
  /** 32 MB: more than the sockets in between can hold. */
  const PIECES = 2_000;
  const delta = (content: string, finish: string | null = null): Buffer =>
    chunk(
      `data: ${JSON.stringify({ id: "c", model: MODEL, choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`,
    );

  async function flooding(config?: Record<string, unknown>): Promise<{
    gateway: TestGateway;
    sent: () => number;
  }> {
    let sent = 0;
    const upstream = await startScriptedUpstream(async (connection) => {
      await connection.readRequest();
      await connection.send(SSE_HEAD);
      for (; sent < PIECES; sent++) await connection.send(delta(PIECE));
      await connection.send(
        Buffer.concat([delta("", "stop"), chunk("data: [DONE]\n\n"), Buffer.from("0\r\n\r\n")]),
      );
    });
    onTestFinished(() => upstream.close());
    return {
      gateway: await serve(upstream, [websocketApi()], config),
      sent: () => sent,
    };
  }

  it("in-16: holds the backend back, and gets everything in the end", async () => {
    const { gateway, sent } = await flooding();
    const client = await open(gateway);
    client.socket.pause();
    client.send(chat("a", { stream: true }));
    await waitForStandstill("a backend that cannot send", sent);
    expect(sent()).toBeLessThan(PIECES);
    client.socket.resume();
    expect((await client.end("a")).event).toBe("done");
    expect(client.of("a")).toHaveLength(PIECES + 2);
  }, 30_000);

  it("in-16: and takes nothing for writeTimeoutMs is cut off, pings of its own notwithstanding", async () => {
    const { gateway, sent } = await flooding({ server: { limits: { writeTimeoutMs: 1_000 } } });
    const client = await open(gateway);
    client.socket.pause();
    client.send(chat("a", { stream: true }));
    await waitForStandstill("a backend that cannot send", sent);
    const pings = setInterval(() => client.socket.readyState === WebSocket.OPEN && client.socket.ping(), 20);
    onTestFinished(() => clearInterval(pings));
    await waitFor("the end", () => active(gateway) === 0);
    client.socket.resume();
    expect((await client.closed).code).toBe(1006);
  });

  it("and floods it with what is refused is not read any further", async () => {
    const { gateway } = await start();
    const client = await open(gateway);
    client.socket.pause();
    const message = JSON.stringify({ id: "x".repeat(200) });
    await waitForStandstill("a gateway that reads no more", () => {
      if (client.socket.bufferedAmount < 1_000_000)
        for (let n = 0; n < 2_000; n++) client.socket.send(message);
      return client.socket.bufferedAmount;
    });
    client.socket.resume();
    client.send(chat("after"));
    expect((await client.end("after")).event).toBe("done");
  }, 30_000);
});

describe("options", () => {
  it.each([
    ["maxConcurrent", { maxConcurrent: 0 }],
    ["pingIntervalMs", { pingIntervalMs: -1 }],
    ["maxSessionMs", { maxSessionMs: 2 ** 31 }],
    ["allowedOrigins.0", { allowedOrigins: ["https://app.example/"] }],
  ])("refuses %s in %j", (path, options) => {
    expect(findFaults(websocketApi(options)).map((fault) => fault.path)).toEqual([path]);
  });
});

describe("the README", () => {
  it("in-16: has an example for browsers that works", async () => {
    const { gateway } = await start(
      [apiKeys({ keys: [{ id: "app", key: KEY }] }), websocketApi()],
      { models: { "qwen2.5:7b": { targets: [{ backend: "only", model: MODEL }] } } },
      {
        text: "Hello there, you two",
      },
    );
    const readme = readFileSync(new URL("../../plugins/websocket-api/README.md", import.meta.url), "utf8");
    const [, code] = /```js\n(.*?)```/s.exec(readme)!;
    const example = code!.replace("wss://gateway.example", gateway.url.replace("http", "ws"));
    const printed: string[] = [];
    // The example is a module of a page: it awaits at its top.
    const AsyncFunction = (async () => {}).constructor as new (
      ...source: string[]
    ) => (...values: unknown[]) => Promise<void>;
    await new AsyncFunction("WebSocket", "KEY", "console", `${example}\nsocket.close();`)(
      BrowserSocket,
      KEY,
      {
        log: (text: string) => printed.push(text),
      },
    );
    expect(printed).toEqual(["Hello there, you two"]);
  });
});
