import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import type { ServerLimits } from "../config/resolved.ts";

/** How often Node looks for connections that are late with their headers. */
const CHECK_MS = 2_000;

/** Limits of connections that hold before any request is read. Node's own defaults are far wider. */
export function applyServerLimits(server: Server, limits: ServerLimits): void {
  server.headersTimeout = limits.headersTimeoutMs;
  // Bodies have limits of their own, that tell an upload from a stall.
  server.requestTimeout = 0;
  server.keepAliveTimeout = limits.keepAliveMs;
  if (limits.maxConnections > 0) server.maxConnections = limits.maxConnections;
  server.on("clientError", onClientError);
}

/** The production server, made with the options that can only be given at creation. */
export function createHttpServer(listener: RequestListener, limits: ServerLimits): Server {
  const server = createServer(
    { maxHeaderSize: limits.headerBytes, connectionsCheckingInterval: CHECK_MS, noDelay: true },
    listener,
  );
  applyServerLimits(server, limits);
  listenForExpectations(server, listener);
  return server;
}

/** `Expect: 100-continue` is answered when the body is wanted, so that a refusal saves the upload. */
export function listenForExpectations(server: Server, listener: RequestListener): void {
  server.on("checkContinue", listener);
  server.on("checkExpectation", (_req, res) => {
    res.writeHead(417, { connection: "close", "content-length": 0 }).end();
  });
}

function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, reason] = statusOf(error.code);
  const code = status === 431 ? "request_too_large" : "invalid_request";
  const body = JSON.stringify({
    error: {
      message: `${reason}: the request could not be read`,
      type: "invalid_request_error",
      param: null,
      code,
    },
  });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function statusOf(code: string | undefined): [status: number, reason: string] {
  if (code === "HPE_HEADER_OVERFLOW") return [431, "Request Header Fields Too Large"];
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return [408, "Request Timeout"];
  return [400, "Bad Request"];
}
