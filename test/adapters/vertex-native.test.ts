/** Each publisher's own dialect on Vertex AI, for its own models alone. */
import { describe, expect, it } from "vitest";
import { askNative } from "./_native-gateway.ts";

const vertex = {
  adapter: "vertex",
  apiKey: "ya29.own",
  options: { project: "demo-1", location: "us-east5" },
};
const claude = { ...vertex, model: "claude-opus-4-1@20250805" };
const gemini = { ...vertex, model: "gemini-2.5-flash" };
const at = "/projects/demo-1/locations/us-east5/publishers/";
const asking = { model: "small", max_tokens: 8, messages: [{ role: "user", content: "Hi" }] };
const json = { "content-type": "application/json" };

describe("vertex behind front doors of its publishers' dialects", () => {
  it("in-11: sends a message as it is to Claude, but for model and version", async () => {
    const body = {
      id: "msg_1",
      type: "message",
      model: "claude-opus-4-1",
      content: [],
      stop_reason: "end_turn",
    };
    const { status, text, received } = await askNative(
      claude,
      { status: 200, headers: json, body },
      "/native/messages",
      { ...asking, thinking: { type: "adaptive" } },
    );
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ ...body, model: "small" });
    const { model: _, ...rest } = asking;
    expect(received).toMatchObject([
      {
        path: `${at}anthropic/models/claude-opus-4-1@20250805:rawPredict`,
        headers: { authorization: "Bearer ya29.own" },
      },
    ]);
    expect(received[0]!.body).toEqual({
      anthropic_version: "vertex-2023-10-16",
      ...rest,
      thinking: { type: "adaptive" },
    });
  });

  it("mo-4: streams a message under the name that the client asked for", async () => {
    const events = [
      { type: "message_start", message: { id: "msg_1", model: "claude-opus-4-1", content: [] } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hey" } },
      { type: "message_stop" },
    ];
    const write = (name: string) =>
      events
        .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
        .join("")
        .replaceAll("claude-opus-4-1", name);
    const { text, received } = await askNative(
      claude,
      {
        status: 200,
        headers: { "content-type": "text/event-stream" },
        chunks: [write("claude-opus-4-1")],
      },
      "/native/messages",
      { ...asking, stream: true },
    );
    expect(received).toMatchObject([
      { path: `${at}anthropic/models/claude-opus-4-1@20250805:streamRawPredict`, body: { stream: true } },
    ]);
    expect(text).toBe(write("small"));
  });

  it("asks no model in the dialect of another publisher", async () => {
    const reply = { status: 200, headers: json, body: {} };
    for (const [backend, path] of [
      [gemini, "/native/messages"],
      [claude, "/native/generate"],
    ] as const) {
      const { status, text, received } = await askNative(backend, reply, path, asking);
      expect(status).toBe(501);
      expect(JSON.parse(text)).toEqual({ failed: "unsupported_operation" });
      expect(received).toEqual([]);
    }
  });
});
