import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { createByteChannel, type ByteChannel } from "./byte-channel.ts";
import { readHeaders, readMessageBody } from "./raw-client.ts";

/** One request as it came over the wire. */
export interface RawRequest {
  method: string;
  path: string;
  /** Request line and headers, with the blank line. */
  head: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** One connection to the upstream, to be answered byte by byte. */
export interface UpstreamConnection extends ByteChannel {
  /** Counts connections, from 0. */
  readonly index: number;
  /** Waits for the next request, its body included. */
  readRequest(): Promise<RawRequest>;
}

export interface ScriptedUpstream {
  /** Without a slash at the end. */
  readonly url: string;
  /** All connections so far, closed ones included. */
  readonly connections: readonly UpstreamConnection[];
  /** Closes everything. @throws what a script threw, unless the other side had closed its connection by then. */
  close(): Promise<void>;
}

/**
 * A TCP server that does exactly what its script says, once for each connection. A script that returns leaves its
 * connection as it is.
 */
export async function startScriptedUpstream(
  script: (connection: UpstreamConnection) => void | Promise<void>,
): Promise<ScriptedUpstream> {
  const connections: UpstreamConnection[] = [];
  const failures: unknown[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const channel = createByteChannel(socket);
    const connection = Object.defineProperties({} as UpstreamConnection, {
      ...Object.getOwnPropertyDescriptors(channel),
      index: { value: connections.length },
      readRequest: { value: () => readRequest(channel) },
    });
    connections.push(connection);
    void run(connection);
  });

  async function run(connection: UpstreamConnection): Promise<void> {
    try {
      await script(connection);
    } catch (error) {
      if (!connection.ended) failures.push(error);
    }
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const connection of connections) connection.destroy();
      await closed;
      if (failures.length > 0) throw failures[0];
    },
  };
}

async function readRequest(channel: ByteChannel): Promise<RawRequest> {
  const head = String(await channel.readUntil("\r\n\r\n"));
  const [requestLine = "", ...lines] = head.trimEnd().split("\r\n");
  const [method = "", path = ""] = requestLine.split(" ");
  const headers = readHeaders(lines);
  return { method, path, head, headers, body: await readMessageBody(channel, headers) };
}

/** Status line and headers of a reply, with the blank line. */
export function replyHead(status: number, headers: Record<string, string> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join("")}\r\n`;
}

/** One chunk of a chunked body. */
export function chunk(bytes: Uint8Array | string): Buffer {
  const data = Buffer.from(bytes as Uint8Array);
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]);
}

/** Ends a chunked body. */
export const LAST_CHUNK = "0\r\n\r\n";
