/** A backend that tells one text, as a real one would: anew, or from where an assistant message left off. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface ChatRequest {
  messages: { role: string; content: string }[];
  stream_options?: { include_usage?: boolean };
  [field: string]: unknown;
}

export interface CompletingOptions {
  name: string;
  text: string;
  /** Length of the pieces, in UTF-16 units: at 1 every emoji comes in two halves. */
  pieceLength: number;
  /** Text pieces of a reply after which the connection breaks; by request, absent where it does not. */
  cutAfter?: readonly (number | undefined)[];
  /** Status of requests that end with an assistant message; without it they are completed. */
  refusesPrefill?: number;
  /** Completes after trimming white space off the message, as many chat templates do. */
  trims?: boolean;
  /** Fields of each delta beside its text. */
  extra?: Record<string, unknown>;
}

export interface CompletingBackend {
  readonly url: string;
  readonly requests: readonly ChatRequest[];
}

export async function startCompletingBackend(options: CompletingOptions): Promise<CompletingBackend> {
  const requests: ChatRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as ChatRequest;
      answer(body, options, requests.push(body) - 1, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function answer(
  body: ChatRequest,
  options: CompletingOptions,
  index: number,
  response: ServerResponse,
): void {
  const { name, text, pieceLength, cutAfter, refusesPrefill, trims, extra } = options;
  const last = body.messages.at(-1)!;
  const given = last.role === "assistant" ? (trims ? last.content.trimEnd() : last.content) : "";
  if (given !== "" && refusesPrefill !== undefined) {
    response.writeHead(refusesPrefill, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "The last message must be the user's.", code: null } }));
    return;
  }
  if (!text.startsWith(given)) throw new Error(`${name} was given a text that is not its own: ${given}`);
  const rest = text.slice(given.length);
  const pieces = rest.match(new RegExp(`.{1,${pieceLength}}`, "gs")) ?? [];
  const usage = { prompt_tokens: 10, completion_tokens: pieces.length, total_tokens: 10 + pieces.length };
  const asked = body.stream_options?.include_usage === true;
  const send = (choices: unknown[], fields: object = asked ? { usage: null } : {}): void => {
    const chunk = {
      id: `c-${name}`,
      object: "chat.completion.chunk",
      created: name.length,
      model: body.model,
      choices,
    };
    response.write(`data: ${JSON.stringify({ ...chunk, ...fields })}\n\n`);
  };
  response.writeHead(200, { "content-type": "text/event-stream" });
  send([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]);
  for (const [sent, content] of pieces.entries()) {
    if (sent === cutAfter?.[index]) {
      // After what was written is on its way.
      response.write("", () => response.destroy());
      return;
    }
    send([{ index: 0, delta: { content, ...extra }, finish_reason: null }]);
  }
  send([{ index: 0, delta: {}, finish_reason: "stop" }]);
  if (asked) send([], { usage });
  response.end("data: [DONE]\n\n");
}
