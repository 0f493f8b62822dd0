/** What passes as bytes through an adapter of the family, and what other front doors read of it. */
import { playBackend } from "@gatewright/adapter-tests";
import type { UpstreamReply } from "@gatewright/adapter-tests";
import { anthropicApi } from "@gatewright/anthropic-api";
import { resolveConfig, serve } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";

const chunk = (delta: string, finish = "null") =>
  // Spelled as no serializer here would: bytes that are not written anew keep it.
  `data: {"id": "c-1","model": "smart", "created":1.0, "choices" :[{"index":0,"delta":{${delta}},"finish_reason":${finish}}]}\n\n`;
const STREAM: UpstreamReply = {
  status: 200,
  headers: { "content-type": "text/event-stream" },
  chunks: [
    chunk(`"role":"assistant","content":""`),
    chunk(`"reasoning":"2 and 2"`),
    chunk(`"content":"4"`),
    chunk(``, `"stop"`),
    "data: [DONE]\n\n",
  ],
};

async function ask(adapter: string, path: string, body: object, reply: UpstreamReply, status = 200) {
  const backend = await playBackend(reply);
  onTestFinished(() => backend.close());
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: { one: { adapter, baseURL: backend.url, models: ["smart"] } },
      plugins: [anthropicApi()],
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  onTestFinished(async () => void (await gateway.stop(1_000)));
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(status);
  return { text: await response.text(), received: backend.received };
}

const user = { role: "user", content: "Hi" };

describe("a server of the family", () => {
  it.each(["openai-compatible", "sglang", "gpustack", "deepseek"])(
    "st-1: %s sends a stream on byte for byte",
    async (adapter) => {
      const { text } = await ask(
        adapter,
        "/v1/chat/completions",
        { model: "smart", messages: [user], stream: true },
        STREAM,
      );
      expect(text).toBe(STREAM.chunks!.join(""));
    },
  );

  it.each([
    { status_code: 503, detail: "No instance" },
    { object: "error", message: "No.", code: 503 },
  ])("st-6: the error that an event %j is does not pass for a stream that was cut", async (event) => {
    const { text } = await ask(
      "gpustack",
      "/v1/chat/completions",
      { model: "smart", messages: [user], stream: true },
      { ...STREAM, chunks: [`data: ${JSON.stringify(event)}\n\n`] },
      502,
    );
    expect(JSON.parse(text)).toMatchObject({
      error: { code: "provider_error", message: "The backend failed with status 503" },
    });
  });

  it("gives the Anthropic front door its reasoning, whatever it is called there", async () => {
    const { text, received } = await ask(
      // It has no messages of its own, so that chat stands in.
      "openai-compatible",
      "/v1/messages",
      { model: "smart", max_tokens: 8, messages: [user], stream: true },
      STREAM,
    );
    const events = text
      .split("\n")
      .filter((line) => line.startsWith("data: "))
      .map((line) => JSON.parse(line.slice("data: ".length)) as { delta?: { type?: string } });
    const deltas = events.map(({ delta }) => delta).filter((delta) => delta?.type);
    expect(deltas).toEqual(
      expect.arrayContaining([
        { type: "thinking_delta", thinking: "2 and 2" },
        { type: "text_delta", text: "4" },
      ]),
    );
    expect(received[0]?.path).toBe("/chat/completions");
  });

  it.each(["mistral", "groq", "cerebras", "moonshot", "openai-compatible"])(
    "in-11: %s gets no marks for Anthropic's cache by the Anthropic front door",
    async (adapter) => {
      const cache_control = { type: "ephemeral" };
      const use = { type: "tool_use", id: "toolu_1", name: "clock", input: {}, cache_control };
      const result = { type: "tool_result", tool_use_id: "toolu_1", content: "noon", cache_control };
      const { received } = await ask(
        adapter,
        "/v1/messages",
        {
          model: "smart",
          max_tokens: 8,
          system: [{ type: "text", text: "Be short.", cache_control }],
          tools: [{ name: "clock", input_schema: { type: "object" }, cache_control }],
          messages: [
            { role: "user", content: [{ type: "text", text: "What time is it?", cache_control }] },
            { role: "assistant", content: [use] },
            { role: "user", content: [result] },
          ],
        },
        {
          status: 200,
          headers: { "content-type": "application/json" },
          body: {
            id: "c-1",
            model: "smart",
            choices: [{ index: 0, message: { role: "assistant", content: "Noon." }, finish_reason: "stop" }],
          },
        },
      );
      expect(JSON.stringify(received[0]?.body)).toContain("clock");
      expect(JSON.stringify(received[0]?.body)).not.toContain("cache_control");
    },
  );

  it("in-11: gets the bytes of an Anthropic client where it has that API too", async () => {
    const answer = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "smart",
      content: [],
      usage: {},
    };
    const { text, received } = await ask(
      "vllm",
      "/v1/messages",
      { model: "smart", max_tokens: 8, messages: [user], x_own: 1 },
      { status: 200, headers: { "content-type": "application/json" }, body: answer },
    );
    expect(received[0]).toMatchObject({ path: "/messages", body: { x_own: 1 } });
    expect(received[0]?.headers["anthropic-version"]).toBe("2023-06-01");
    expect(JSON.parse(text)).toEqual(answer);
  });
});
