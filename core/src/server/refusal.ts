import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { GatewayError } from "../errors.ts";
import type { Dialect } from "../operation.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import { requestIdOf } from "./request-id.ts";
import { closeInStages } from "./staged-close.ts";
import { leavesBodyUnread } from "./unread-body.ts";

/** A refusal before there is an operation: in the OpenAI shape, as for unknown routes, unless the path tells another. */
export function refuse(
  req: IncomingMessage,
  res: ServerResponse,
  error: GatewayError,
  dialect: Dialect = openaiDialect,
): void {
  const { headers, body } = refusalOf(error, req.headers["x-request-id"] as string | undefined, dialect);
  if (leavesBodyUnread(req, res)) headers["connection"] = "close";
  res.writeHead(error.status, headers);
  res.end(req.method === "HEAD" ? undefined : body);
}

/** The same where Node made no request out of what came; the connection is of no further use. */
export function refuseConnection(socket: Duplex, error: GatewayError): void {
  const { headers, body } = refusalOf(error, undefined, openaiDialect);
  headers["connection"] = "close";
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines.join("")}\r\n${body}`);
  closeInStages(socket);
}

function refusalOf(
  error: GatewayError,
  requestId: string | undefined,
  dialect: Dialect,
): { headers: Record<string, string>; body: string } {
  const id = requestIdOf(requestId);
  const body = dialect.errorBody(error, id);
  return {
    headers: { ...refusalHeaders(error, id, dialect), "content-length": String(Buffer.byteLength(body)) },
    body,
  };
}

/** What comes, or still runs, while the process goes down. */
export function shuttingDown(): GatewayError {
  return new GatewayError("draining", { headers: { "retry-after": "30" } });
}

/** Headers of an error that is answered where no request runs. */
export function refusalHeaders(
  error: GatewayError,
  id: string,
  { requestIdHeader }: Dialect,
): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "x-request-id": id,
    ...error.headers,
  };
  if (requestIdHeader !== undefined) headers[requestIdHeader] = id;
  return headers;
}
