import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "gatewright";
import type { UpstreamReply } from "./_exchange.ts";

/** What reached a played backend. */
export interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingMessage["headers"];
  body: JsonObject;
}

export interface PlayedBackend {
  url: string;
  /** Every request so far. */
  received: Received[];
  close(): Promise<void>;
}

/** A real server that gives one recorded reply to whatever is asked, chunk by chunk, and tokens at `/oauth/`. */
export async function playBackend(reply: UpstreamReply): Promise<PlayedBackend> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request;
    void readText(request)
      .then((text) => {
        if (path?.startsWith("/oauth/")) return play(response, TOKEN);
        received.push({ method, path: withoutToken(path), headers, body: JSON.parse(text) as JsonObject });
        return play(response, reply);
      })
      .catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What the played issuer of tokens gives. */
const TOKEN: UpstreamReply = {
  status: 200,
  headers: { "content-type": "application/json" },
  body: { access_token: "played-token", expires_in: 2_592_000 },
};

/** Recorded exchanges do not know which token a request bears. */
function withoutToken(path: string | undefined): string | undefined {
  return path?.replace(/[?&]access_token=played-token$/, "");
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function play(
  response: ServerResponse,
  { status, headers, body, chunks }: UpstreamReply,
): Promise<void> {
  response.writeHead(status, headers);
  if (body) {
    response.end(JSON.stringify(body));
    return;
  }
  for (const chunk of chunks ?? []) await new Promise((resolve) => response.write(chunk, resolve));
  response.end();
}
