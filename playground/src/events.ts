/** How events stand on the wire, in one dialect. */
export interface EventFormat {
  readonly contentType: string;
  /** One event, complete with what ends it. `type` is for formats that name their events. */
  frame(data: string, type?: string): string;
  /** The event by which the dialect reports an error inside a stream. */
  error(message: string, code: string): string;
}

/** Server-sent events as OpenAI writes them: one data line, LF. */
function sse(data: string, type?: string): string {
  return type === undefined ? `data: ${data}\n\n` : `event: ${type}\ndata: ${data}\n\n`;
}

/** Chat, completions, audio and images: data lines without a name. */
export const openaiEvents: EventFormat = {
  contentType: "text/event-stream; charset=utf-8",
  frame: sse,
  error: (message, code) =>
    sse(JSON.stringify({ error: { message, type: "server_error", param: null, code } })),
};

/** Responses: named events; the error is flat and closes the numbering. */
export const responsesEvents: EventFormat = {
  contentType: "text/event-stream; charset=utf-8",
  frame: sse,
  error: (message, code) =>
    sse(JSON.stringify({ type: "error", code, message, param: null, sequence_number: 0 }), "error"),
};

/** Ollama: one JSON object a line. */
export const ollamaLines: EventFormat = {
  contentType: "application/x-ndjson",
  frame: (data) => `${data}\n`,
  error: (message) => `${JSON.stringify({ error: message })}\n`,
};

/** Anthropic: named events. */
export const anthropicEvents: EventFormat = {
  contentType: "text/event-stream; charset=utf-8",
  frame: sse,
  error: (message, code) =>
    sse(JSON.stringify({ type: "error", error: { type: anthropicType(code), message } }), "error"),
};

/** Google writes CRLF, and no names. */
export const geminiEvents: EventFormat = {
  contentType: "text/event-stream",
  frame: (data) => `data: ${data}\r\n\r\n`,
  error: (message, code) =>
    `data: ${JSON.stringify({ error: { message, ...(GOOGLE_CODES[code] ?? INTERNAL) } })}\r\n\r\n`,
};

function anthropicType(code: string): string {
  return code === "server_error" ? "api_error" : code;
}

const INTERNAL = { code: 500, status: "INTERNAL" };
const GOOGLE_CODES: Readonly<Record<string, { code: number; status: string }>> = {
  UNAVAILABLE: { code: 503, status: "UNAVAILABLE" },
  RESOURCE_EXHAUSTED: { code: 429, status: "RESOURCE_EXHAUSTED" },
};
