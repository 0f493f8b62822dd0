/** Claude on Bedrock by its own Messages API, through the front door that speaks it, with a real server behind. */
import { playBackend } from "@gatewright/adapter-tests";
import type { UpstreamReply } from "@gatewright/adapter-tests";
import { anthropicApi } from "@gatewright/anthropic-api";
import { resolveConfig, serve } from "gatewright";
import type { JsonObject } from "gatewright";
import { afterEach, expect, it } from "vitest";
import { encodeFrame } from "./_amazon-frames.ts";
import type { Frame } from "./_amazon-frames.ts";

const CLAUDE = "anthropic.claude-sonnet-4-20250514-v1:0";
const PROFILE = "eu.anthropic.claude-sonnet-4-20250514-v1:0";
const NOVA = "eu.amazon.nova-pro-v1:0";
const REQUEST = {
  max_tokens: 64,
  temperature: null,
  messages: [{ role: "user", content: "Hi" }],
  x_invented: [1],
};

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Asks a gateway for a model whose backend answers with `reply`. */
async function ask(
  path: string,
  { model, body, reply }: { model: string; body: JsonObject; reply: UpstreamReply },
) {
  const upstream = await playBackend(reply);
  closers.push(upstream.close);
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: {
        aws: {
          adapter: "bedrock",
          baseURL: upstream.url,
          region: "eu-west-1",
          apiKey: "k-1",
          models: [model],
        },
      },
      models: { assistant: { targets: [{ backend: "aws", model }] } },
      plugins: [anthropicApi()],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  closers.push(() => gateway.stop(1_000));
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "assistant", ...body }),
  });
  return { status: response.status, text: await response.text(), received: upstream.received };
}

function whole(body: JsonObject): UpstreamReply {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

function framed(frames: Frame[]): UpstreamReply {
  const headers = { "content-type": "application/vnd.amazon.eventstream" };
  return { status: 200, headers, chunks: frames.map(encodeFrame) };
}

function wrapped(event: JsonObject): Frame {
  const bytes = Buffer.from(JSON.stringify(event)).toString("base64");
  return { event: "chunk", payload: { bytes, p: "abcdef" } };
}

const message = {
  id: "msg_bdrk_01",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-20250514",
  content: [{ type: "text", text: "Hello" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 3 },
};
const events = [
  { type: "message_start", message: { ...message, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Grüße" } },
  { type: "content_block_stop", index: 0 },
  {
    type: "message_delta",
    delta: { stop_reason: "end_turn", stop_sequence: null },
    usage: { output_tokens: 3 },
  },
  { type: "message_stop", "amazon-bedrock-invocationMetrics": { inputTokenCount: 9 } },
];

it.each([CLAUDE, PROFILE])("in-11: %s gets the client's own body, with the version in it", async (model) => {
  const { status, text, received } = await ask("/v1/messages", {
    model,
    body: REQUEST,
    reply: whole(message),
  });
  expect(status).toBe(200);
  expect(JSON.parse(text)).toEqual({ ...message, model: "assistant" });
  expect(received[0]).toMatchObject({
    path: `/model/${encodeURIComponent(model)}/invoke`,
    headers: { authorization: "Bearer k-1" },
  });
  expect(received[0]!.body).toEqual({ anthropic_version: "bedrock-2023-05-31", ...REQUEST });
});

it("in-11: streams the events that the frames wrap, under their names", async () => {
  const body = { ...REQUEST, stream: true };
  const { text, received } = await ask("/v1/messages", {
    model: CLAUDE,
    body,
    reply: framed(events.map(wrapped)),
  });
  expect(received[0]!.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/invoke-with-response-stream`);
  expect(received[0]!.body).not.toHaveProperty("stream");
  const [first, ...rest] = text.trimEnd().split("\n\n");
  const shown = (event: JsonObject) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}`;
  expect(JSON.parse(first!.split("data: ")[1]!)).toEqual({
    type: "message_start",
    message: { ...events[0]!.message, model: "assistant" },
  });
  expect(rest).toEqual(events.slice(1).map(shown));
});

it.each<[string, Frame]>([
  ["an exception", { exception: "modelStreamErrorException", payload: { message: "failed" } }],
  ["an event that is not JSON", { event: "chunk", payload: { bytes: "eA==" } }],
])("st-6: %s after content is an error event, and no clean end", async (_, frame) => {
  const reply = framed([...events.slice(0, 3).map(wrapped), frame]);
  const { text } = await ask("/v1/messages", { model: CLAUDE, body: { ...REQUEST, stream: true }, reply });
  expect(text).toContain("Grüße");
  expect(text.trimEnd().split("\n\n").at(-1)).toMatch(/^event: error\n/);
  expect(text).not.toContain("message_stop");
});

it("counts tokens of the same body", async () => {
  const { max_tokens: _, ...body } = REQUEST;
  const reply = whole({ inputTokens: 11 });
  const { text, received } = await ask("/v1/messages/count_tokens", { model: CLAUDE, body, reply });
  expect(JSON.parse(text)).toEqual({ input_tokens: 11 });
  expect(received[0]!.path).toBe(`/model/${encodeURIComponent(CLAUDE)}/count-tokens`);
  const { invokeModel } = received[0]!.body["input"] as { invokeModel: { body: string } };
  expect(JSON.parse(Buffer.from(invokeModel.body, "base64").toString())).toEqual({
    anthropic_version: "bedrock-2023-05-31",
    max_tokens: 1,
    ...body,
  });
});

it("does not count for a profile, which Bedrock refuses", async () => {
  const { status, received } = await ask("/v1/messages/count_tokens", {
    model: PROFILE,
    body: REQUEST,
    reply: whole({}),
  });
  expect(status).toBe(501);
  expect(received).toEqual([]);
});

it("in-11: another vendor's model is served by Converse", async () => {
  const body = { max_tokens: 64, messages: REQUEST.messages };
  const { text, received } = await ask("/v1/messages", {
    model: NOVA,
    body,
    reply: whole({
      output: { message: { role: "assistant", content: [{ text: "Hello" }] } },
      stopReason: "max_tokens",
      usage: { inputTokens: 9, outputTokens: 3, totalTokens: 12 },
    }),
  });
  expect(received[0]).toMatchObject({
    path: `/model/${encodeURIComponent(NOVA)}/converse`,
    body: { inferenceConfig: { maxTokens: 64 }, messages: [{ role: "user", content: [{ text: "Hi" }] }] },
  });
  expect(JSON.parse(text)).toMatchObject({
    type: "message",
    model: "assistant",
    content: [{ type: "text", text: "Hello" }],
    stop_reason: "max_tokens",
    usage: { input_tokens: 9, output_tokens: 3 },
  });
});
