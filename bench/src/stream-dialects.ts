import { httpChunk, LAST_FRAMES, PLAIN_FRAME } from "./frames.ts";

/** How a backend of one dialect streams words that all look alike: bytes of the HTTP reply, chunked. */
export interface StreamDialect {
  /** Status line and headers, and what comes before the first word. */
  readonly head: Buffer;
  /** A chunk with one word in it. */
  readonly word: string;
  /** What comes after the last word. */
  readonly end: Buffer;
}

export const OPENAI: StreamDialect = dialect("text/event-stream", {
  word: PLAIN_FRAME,
  after: [LAST_FRAMES],
});

const OLLAMA = dialect("application/x-ndjson", {
  word: ollamaLine({ message: { role: "assistant", content: " token" }, done: false }),
  after: [
    ollamaLine({
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: "stop",
      prompt_eval_count: 40,
      eval_count: 30,
    }),
  ],
});

const ANTHROPIC = dialect("text/event-stream", {
  before: [
    anthropicEvent("message_start", {
      message: {
        id: "msg_bench",
        type: "message",
        role: "assistant",
        model: "bench-anthropic",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 40, output_tokens: 1 },
      },
    }),
    anthropicEvent("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  ],
  word: anthropicEvent("content_block_delta", { index: 0, delta: { type: "text_delta", text: " token" } }),
  after: [
    anthropicEvent("content_block_stop", { index: 0 }),
    anthropicEvent("message_delta", {
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: 30 },
    }),
    anthropicEvent("message_stop", {}),
  ],
});

/** The dialect of the API that a request calls, by the head of the request. */
export function dialectOf(requestHead: string): StreamDialect {
  if (requestHead.startsWith("POST /api/chat ")) return OLLAMA;
  return requestHead.startsWith("POST /v1/messages ") ? ANTHROPIC : OPENAI;
}

function dialect(
  contentType: string,
  { before = [], word, after }: { before?: readonly string[]; word: string; after: readonly string[] },
): StreamDialect {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ntransfer-encoding: chunked\r\n\r\n`;
  return {
    head: Buffer.from(head + before.map(httpChunk).join("")),
    word: httpChunk(word),
    end: Buffer.from(`${after.map(httpChunk).join("")}0\r\n\r\n`),
  };
}

function ollamaLine(members: Record<string, unknown>): string {
  return `${JSON.stringify({ model: "bench-ollama", created_at: "2025-11-01T00:00:00Z", ...members })}\n`;
}

function anthropicEvent(type: string, members: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}
