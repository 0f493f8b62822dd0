import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type RawData, type WebSocket } from "ws";

/** A session as the backend saw it. */
export interface BackendSession {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  /** Messages of the client: text as text, other ones as bytes. */
  readonly messages: (string | Buffer)[];
  /** Set when the connection is over; 1006 when it broke off. */
  closed: { code: number; reason: string } | undefined;
}

export interface RealtimeBackend extends AsyncDisposable {
  readonly url: string;
  readonly sessions: BackendSession[];
  /** Handshakes that were refused, or were none. */
  readonly refused: IncomingMessage[];
  /** Answers handshakes with this status, while it is set. */
  refuseWith: number | undefined;
  close(): Promise<void>;
}

/**
 * A server with OpenAI's Realtime API, as far as the gateway can tell: it greets with `session.created`, answers
 * `response.create` with two pieces of text and the usage, and sends anything else back as it came.
 */
export async function startRealtimeBackend(): Promise<RealtimeBackend> {
  const sessions: BackendSession[] = [];
  const refused: IncomingMessage[] = [];
  const http = createServer((request, response) => {
    refused.push(request);
    response.writeHead(400).end();
  });
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => (offered.has("realtime") ? "realtime" : false),
  });
  const backend: RealtimeBackend = {
    url: "",
    sessions,
    refused,
    refuseWith: undefined,
    close,
    [Symbol.asyncDispose]: close,
  };

  http.on("upgrade", (request, socket, head) => {
    if (backend.refuseWith !== undefined) {
      refused.push(request);
      const body = '{"error":{"message":"not now","code":"busy"}}';
      socket.end(
        `HTTP/1.1 ${backend.refuseWith} No\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return;
    }
    server.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket, request));
  });

  function serve(socket: WebSocket, request: IncomingMessage): void {
    const session: BackendSession = { socket, request, messages: [], closed: undefined };
    sessions.push(session);
    socket.on("error", () => {});
    socket.on("close", (code, reason) => (session.closed = { code, reason: reason.toString() }));
    socket.on("message", (data, isBinary) => answer(session, data as Buffer, isBinary));
    send(socket, {
      type: "session.created",
      session: { model: new URL(request.url!, "http://x").searchParams.get("model") },
    });
  }

  function answer({ socket, messages }: BackendSession, data: RawData & Buffer, isBinary: boolean): void {
    messages.push(isBinary ? data : data.toString());
    const type = isBinary ? undefined : typeOf(data.toString());
    if (type !== "response.create") {
      socket.send(data, { binary: isBinary });
      return;
    }
    for (const delta of ["Hel", "lo"]) send(socket, { type: "response.output_text.delta", delta });
    send(socket, {
      type: "response.done",
      response: { status: "completed", usage: { input_tokens: 7, output_tokens: 5, total_tokens: 12 } },
    });
  }

  async function close(): Promise<void> {
    for (const { socket } of sessions) socket.terminate();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  }

  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return Object.assign(backend, { url: `http://127.0.0.1:${port}` });
}

function send(socket: WebSocket, event: object): void {
  socket.send(JSON.stringify(event));
}

function typeOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { type?: unknown }).type;
  } catch {
    return undefined;
  }
}
