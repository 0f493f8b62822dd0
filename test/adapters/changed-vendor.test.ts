/** A chat client that moves its history from one vendor's model to OpenAI's sends what the first one's answers held. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { resolveConfig, serve } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";

const ANSWER = JSON.stringify({
  id: "c-1",
  object: "chat.completion",
  created: 1_767_000_000,
  model: "smart",
  choices: [{ index: 0, message: { role: "assistant", content: "Noon." }, finish_reason: "stop" }],
});

/** What reaches the backend, as text, and what the client is told of it. */
async function send(backend: object, body: string): Promise<{ sent: string; dropped: string | null }> {
  let sent = "";
  const server = createServer((request, response) => {
    void text(request).then((received) => {
      sent = received;
      response.writeHead(200, { "content-type": "application/json" }).end(ANSWER);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const resolved = await resolveConfig(
    {
      server: { host: "127.0.0.1", port: 0 },
      log: { level: "silent" },
      backends: { one: { models: ["smart"], ...backend, baseURL } },
    },
    { dir: import.meta.dirname },
  );
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  const gateway = await serve(resolved.config);
  onTestFinished(async () => void (await gateway.stop(1_000)));
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
  return { sent, dropped: response.headers.get("x-gatewright-dropped") };
}

const call = { id: "call_1", type: "function", function: { name: "clock", arguments: "{}" } };
const extra_content = { google: { thought_signature: "c2lnbmVk" } };
const HISTORY = {
  model: "smart",
  messages: [
    {
      role: "developer",
      content: [{ type: "text", text: "Be short.", cache_control: { type: "ephemeral" } }],
    },
    { role: "user", content: "What time is it?" },
    {
      role: "assistant",
      content: null,
      refusal: null,
      thinking_blocks: [{ type: "thinking", thinking: "A clock.", signature: "c2lnbmVk" }],
      reasoning_content: "A clock.",
      reasoning: "A clock.",
      extra_content,
      images: [{ type: "image_url", image_url: { url: "data:image/png;base64,aWNvbg==" } }],
      tool_calls: [{ ...call, extra_content }],
    },
    { role: "tool", tool_call_id: "call_1", content: "noon", x_invented: 1 },
  ],
  tools: [{ type: "function", function: { name: "clock" }, cache_control: { type: "ephemeral" } }],
};

describe.each([
  ["openai", { adapter: "openai" }],
  ["azure", { adapter: "azure" }],
  ["azure with a dated version", { adapter: "azure", apiVersion: "2024-10-21" }],
])("a history of another vendor at %s", (_, backend) => {
  it("arrives without what OpenAI would refuse, which is reported", async () => {
    const { sent, dropped } = await send(backend, JSON.stringify(HISTORY));
    expect(JSON.parse(sent)).toEqual({
      model: "smart",
      messages: [
        { role: "developer", content: [{ type: "text", text: "Be short." }] },
        { role: "user", content: "What time is it?" },
        { role: "assistant", content: null, refusal: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "call_1", content: "noon", x_invented: 1 },
      ],
      tools: [{ type: "function", function: { name: "clock" } }],
    });
    expect(dropped?.split(", ").toSorted()).toEqual(
      [
        "messages[].content[].cache_control",
        "messages[].extra_content",
        "messages[].images",
        "messages[].reasoning_content",
        "messages[].thinking_blocks",
        "messages[].tool_calls[].extra_content",
        "tools[].cache_control",
      ].toSorted(),
    );
  });

  it("st-1: a request that holds nothing of it keeps every byte", async () => {
    // Spelled as no serializer would; the names stand in texts alone.
    const body = `{ "model":"smart",\n "messages" : [{"role":"user","content":"\\"reasoning_content\\": \\u0041 or cache_control?"}], "seed": 1.0 }`;
    const { sent, dropped } = await send(backend, body);
    expect(sent).toBe(body);
    expect(dropped).toBeNull();
  });
});

/**
 * What arrives of an assistant's message with reasoning, beside `role`, `content` and `tool_calls`, at servers that refuse
 * other members, or that need some; `name` is OpenAI's. The table is that of adapters/README.md.
 */
describe.each([
  ["fireworks", "accounts/fireworks/models/kimi-k2p6", { reasoning_content: "A clock." }],
  ["groq", "openai/gpt-oss-120b", { name: "bot", reasoning: "A clock." }],
  ["groq", "llama-3.3-70b-versatile", { name: "bot" }],
  ["cerebras", "gpt-oss-120b", { name: "bot", reasoning: "A clock." }],
  ["mistral", "mistral-large-latest", { name: "bot" }],
  ["deepseek", "deepseek-chat", { name: "bot", refusal: null, reasoning_content: "A clock." }],
  ["moonshot", "kimi-k2-thinking", { name: "bot", refusal: null, reasoning_content: "A clock." }],
])("a history of another vendor at %s, %s", (adapter, model, members) => {
  it("arrives with what the server takes, and with nothing that it refuses", async () => {
    const { sent, dropped } = await send(
      { adapter, models: [model] },
      JSON.stringify({
        model,
        messages: HISTORY.messages.map((message) =>
          message.role === "assistant" ? { ...message, name: "bot" } : message,
        ),
      }),
    );
    const { messages } = JSON.parse(sent) as { messages: Record<string, unknown>[] };
    const { role, content, tool_calls, ...rest } = messages[2]!;
    expect({ role, content, tool_calls }).toMatchObject({
      role: "assistant",
      tool_calls: [{ function: call.function }],
    });
    expect(JSON.stringify(tool_calls)).not.toContain("extra_content");
    expect(rest).toEqual(members);
    expect(dropped).toContain("messages[].thinking_blocks");
  });
});

// OpenRouter wants `reasoning_details` back (https://openrouter.ai/docs/guides/best-practices/reasoning-tokens).
it.each([
  ["openai-compatible", '"reasoning_content":"2 and 2"'],
  ["openrouter", '"reasoning_details":[{"type":"reasoning.encrypted","data":"c2ln"}]'],
])("in-2: a server that may take them gets every byte: %s", async (adapter, member) => {
  const body = `{ "model":"smart", "messages":[{"role":"assistant","content":"4",${member}}] }`;
  const { sent } = await send({ adapter }, body);
  expect(sent).toBe(body);
});
