import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonObject } from "gatewright";
import type { UpstreamReply } from "./exchange.ts";

/** What reached a played backend. */
export interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingMessage["headers"];
  body: JsonObject;
}

export interface PlayedBackend {
  /** Without a slash at the end. */
  url: string;
  /** Every request so far, those for tokens left out. */
  received: Received[];
  /** Resolves when the first request came; one for a token counts where that is not answered. */
  arrived: Promise<void>;
  /** Resolves when the other side left before it had its whole reply. */
  abandoned: Promise<void>;
  close(): Promise<void>;
}

export interface PlayOptions {
  /** Says nothing more after the chunks, nothing at all, or not even anything to a request for a token. */
  silent?: "after chunks" | "before headers" | "before tokens";
}

/** A real server that gives one recorded reply to whatever is asked, chunk by chunk, and tokens at `/oauth/`. */
export async function playBackend(
  reply: UpstreamReply,
  { silent }: PlayOptions = {},
): Promise<PlayedBackend> {
  const received: Received[] = [];
  const arrived = createSignal();
  const abandoned = createSignal();
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request;
    response.on("close", () => {
      if (!response.writableFinished) abandoned.give();
    });
    void readText(request)
      .then((text) => {
        const asksToken = path?.startsWith("/oauth/") === true;
        if (!asksToken)
          received.push({ method, path: withoutToken(path), headers, body: JSON.parse(text) as JsonObject });
        if (!asksToken || silent === "before tokens") arrived.give();
        if (silent === "before tokens") return;
        if (asksToken) return play(response, TOKEN);
        return silent === "before headers" ? undefined : play(response, reply, silent === "after chunks");
      })
      .catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    arrived: arrived.given,
    abandoned: abandoned.given,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createSignal(): { given: Promise<void>; give(): void } {
  let give!: () => void;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
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
  staysOpen = false,
): Promise<void> {
  response.writeHead(status, headers);
  if (body) {
    response.end(JSON.stringify(body));
    return;
  }
  response.flushHeaders();
  for (const chunk of chunks ?? []) await new Promise((resolve) => response.write(chunk, resolve));
  if (!staysOpen) response.end();
}
