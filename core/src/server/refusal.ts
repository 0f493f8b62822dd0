import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { GatewayError } from "../errors.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import { requestIdOf } from "./request-id.ts";

/** A refusal before there is an operation: in the OpenAI shape, as for unknown routes. */
export function refuse(req: IncomingMessage, res: ServerResponse, error: GatewayError): void {
  const { headers, body } = refusalOf(error, req.headers["x-request-id"] as string | undefined);
  if (leavesBodyUnread(req)) headers["connection"] = "close";
  res.writeHead(error.status, headers);
  res.end(req.method === "HEAD" ? undefined : body);
}

/** The same where Node made no request out of what came; the connection is of no further use. */
export function refuseConnection(socket: Duplex, error: GatewayError): void {
  const { headers, body } = refusalOf(error, undefined);
  headers["connection"] = "close";
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join("")}\r\n${body}`);
}

function refusalOf(
  error: GatewayError,
  requestId: string | undefined,
): { headers: Record<string, string>; body: string } {
  const id = requestIdOf(requestId);
  const body = openaiDialect.errorBody(error, id);
  const length = String(Buffer.byteLength(body));
  const own = { "content-type": "application/json", "content-length": length, "x-request-id": id };
  return { headers: { ...own, ...error.headers }, body };
}

/** An unread body up to this length is read away, so that the connection can be used again. */
const DRAINED_BYTES = 64 * 1024;

/** True when more of the body is still to come than is worth waiting for. */
export function leavesBodyUnread(req: IncomingMessage): boolean {
  if (req.complete) return false;
  const chunked = req.headers["transfer-encoding"] !== undefined;
  return chunked || Number(req.headers["content-length"] ?? 0) > DRAINED_BYTES;
}
