/** The API's own operations, which pass as bytes: a front door of the same dialect stands before the adapter. */
import { playBackend } from "@gatewright/adapter-tests";
import type { UpstreamReply } from "@gatewright/adapter-tests";
import { defineGatewayPlugin, defineOperation, resolveConfig, serve } from "gatewright";
import type { Dialect, JsonObject, Operation } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";

const dialect: Dialect = {
  name: "anthropic",
  errorBody: ({ type, message }) => JSON.stringify({ type: "error", error: { type, message } }),
  errorEvent: ({ message }) =>
    `event: error\ndata: ${JSON.stringify({ type: "error", error: { message } })}\n\n`,
};
const door = { method: "POST", dialect, body: "json", reply: "json", replaySafe: true } as const;
const messages: Operation = defineOperation({
  ...door,
  name: "messages",
  paths: ["/v1/messages"],
  wantsStream: (body) => body.get("stream") === true,
  stream: {
    isContent: ({ type }) => type === "content_block_delta",
    finishes: ({ type }) => (type === "message_stop" ? 1 : 0),
    modelAt: ["message", "model"],
    terminator: null,
  },
});
const countTokens: Operation = defineOperation({
  ...door,
  name: "messagesCountTokens",
  paths: ["/v1/messages/count_tokens"],
});
const frontDoor = defineGatewayPlugin({
  name: "front-door",
  options: v.optional(v.strictObject({})),
  setup: () => ({ operations: [messages, countTokens] }),
});

/** Asks a gateway with one backend, and tells what the client got and what the backend saw. */
async function ask(
  reply: UpstreamReply,
  path: string,
  body: JsonObject,
  headers: Record<string, string> = {},
) {
  const backend = await playBackend(reply);
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: {
        claude: {
          adapter: "anthropic",
          baseURL: backend.url,
          apiKey: "sk-ant-own",
          betas: ["files-api-2025-04-14"],
          models: ["claude-opus-5"],
        },
      },
      models: { large: { targets: [{ backend: "claude", model: "claude-opus-5" }] } },
      plugins: [frontDoor()],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  try {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": "sk-client", ...headers },
      body: JSON.stringify(body),
    });
    const { status, headers: answered } = response;
    return { status, headers: answered, text: await response.text(), received: backend.received };
  } finally {
    await gateway.stop(1_000);
    await backend.close();
  }
}

const json = { "content-type": "application/json" };
const request = { model: "large", max_tokens: 64, messages: [{ role: "user", content: "Hi" }], x_new: [1] };
const message = {
  id: "msg_01",
  type: "message",
  role: "assistant",
  model: "claude-opus-5",
  content: [{ type: "text", text: "Hello!" }],
  stop_reason: "end_turn",
  x_new: { a: 1 },
};

describe("anthropic's own operations through a gateway", () => {
  it("in-11: passes a request and its reply, but for the model's name", async () => {
    const { text, received } = await ask(
      { status: 200, headers: json, body: message },
      "/v1/messages",
      request,
    );
    expect(received[0]).toMatchObject({
      method: "POST",
      path: "/v1/messages",
      headers: {
        "x-api-key": "sk-ant-own",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "files-api-2025-04-14",
      },
      body: { ...request, model: "claude-opus-5" },
    });
    expect(JSON.parse(text)).toEqual({ ...message, model: "large" });
  });

  it("in-11: takes version and betas of the client in place of its own", async () => {
    const own = { "anthropic-version": "2026-10-21", "anthropic-beta": "compact-2026-01-12,mcp-2026-03-01" };
    const { received } = await ask(
      { status: 200, headers: json, body: message },
      "/v1/messages",
      request,
      own,
    );
    expect(received[0]?.headers).toMatchObject({ ...own, "x-api-key": "sk-ant-own" });
  });

  it("keeps its own version for a request that it translates", async () => {
    const { status, received } = await ask(
      { status: 200, headers: json, body: message },
      "/v1/chat/completions",
      request,
      { "anthropic-version": "2026-10-21", "anthropic-beta": "compact-2026-01-12" },
    );
    expect(status).toBe(200);
    expect(received[0]?.headers).toMatchObject({
      "anthropic-version": "2023-06-01",
      "anthropic-beta": "files-api-2025-04-14",
    });
  });

  it("in-11: passes a stream with the names of its events", async () => {
    const start = { ...message, content: [], stop_reason: null };
    const event = (type: string, more: JsonObject) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
    const stream = (model: string) => [
      event("message_start", { message: { ...start, model } }),
      event("ping", {}),
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Hello!" } }),
      event("content_block_stop", { index: 0 }),
      event("message_delta", { delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } }),
      event("message_stop", {}),
    ];
    const headers = { "content-type": "text/event-stream" };
    const { text } = await ask({ status: 200, headers, chunks: stream("claude-opus-5") }, "/v1/messages", {
      ...request,
      stream: true,
    });
    expect(text).toBe(stream("large").join(""));
  });

  it("counts tokens", async () => {
    const { max_tokens: _, ...counted } = request;
    const { text, received } = await ask(
      { status: 200, headers: json, body: { input_tokens: 14 } },
      "/v1/messages/count_tokens",
      counted,
    );
    expect(received[0]).toMatchObject({
      path: "/v1/messages/count_tokens",
      body: { ...counted, model: "claude-opus-5" },
    });
    expect(JSON.parse(text)).toEqual({ input_tokens: 14 });
  });

  it("U12: tells the client to wait until the limits that are used up are reset", async () => {
    const error = { type: "rate_limit_error", message: "Slow down" };
    const limits = {
      date: "Sat, 21 Nov 2026 11:30:00 GMT",
      "anthropic-ratelimit-input-tokens-remaining": "0",
      "anthropic-ratelimit-input-tokens-reset": "2026-11-21T11:30:17Z",
    };
    const { status, headers, text } = await ask(
      { status: 429, headers: { ...json, ...limits }, body: { type: "error", error } },
      "/v1/messages",
      request,
    );
    expect(status).toBe(429);
    expect(headers.get("retry-after")).toBe("17");
    expect(JSON.parse(text)).toMatchObject({ type: "error", error: { message: "Slow down" } });
  });
});
