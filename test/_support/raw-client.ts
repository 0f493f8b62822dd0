import { once } from "node:events";
import { connect } from "node:net";
import { createByteChannel, type ByteChannel } from "./byte-channel.ts";

/** A TCP client that knows nothing of HTTP: it sends the bytes that it is given, when it is told to. */
export type RawClient = ByteChannel;

/** Connects to the host and port of a URL. The client keeps its half open when the server closes its own. */
export async function connectRaw(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  await once(socket, "connect");
  return createByteChannel(socket);
}

/** The text of a request. `Host` and, with a body, `Content-Length` are set unless given. */
export function requestText(
  method: string,
  path: string,
  { headers = {}, body = "" }: { headers?: Record<string, string>; body?: string } = {},
): string {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  if (!names.has("host")) lines.unshift("Host: gateway.test");
  if (body && !names.has("content-length") && !names.has("transfer-encoding")) {
    lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  }
  return `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** One reply read off a connection: its body by Content-Length, by chunks, or to the end of the connection. */
export async function readReply(client: RawClient) {
  const head = String(await client.readUntil("\r\n\r\n"));
  const [statusLine = "", ...lines] = head.trimEnd().split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  const headers = readHeaders(lines);
  return { status, head, headers, body: await readMessageBody(client, headers, status) };
}

/** Lower-case names; repeated ones joined by `, `. */
export function readHeaders(lines: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

/** The body of a message whose headers have been read. Requests give no status. */
export async function readMessageBody(
  channel: ByteChannel,
  headers: Record<string, string>,
  status?: number,
): Promise<Buffer> {
  if (status !== undefined && (status < 200 || status === 204 || status === 304)) return Buffer.alloc(0);
  if (headers["transfer-encoding"] === "chunked") return readChunks(channel);
  const length = headers["content-length"];
  if (length !== undefined) return channel.readBytes(Number(length));
  return status === undefined ? Buffer.alloc(0) : channel.readToEnd();
}

async function readChunks(channel: ByteChannel): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const size = Number.parseInt(String(await channel.readUntil("\r\n")), 16);
    const chunk = await channel.readBytes(size);
    await channel.readUntil("\r\n");
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}
