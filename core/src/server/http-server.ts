import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { groupWrites } from "../group-writes.ts";
import { joinWrites } from "../join-writes.ts";
import type { ServerLimits } from "../config/resolved.ts";
import { GatewayError } from "../errors.ts";
import { methodNotAllowed } from "../gateway.ts";
import { refuse, refuseConnection } from "./refusal.ts";
import { closeInStages, makeRoom } from "./staged-close.ts";

/** Answers whether it took the connection. */
export type UpgradeListener = (req: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** How often Node looks for connections that are late with their headers. */
const CHECK_MS = 2_000;

/** Limits of connections that hold before any request is read. Node's own defaults are far wider. */
export function applyServerLimits(server: Server, limits: ServerLimits): void {
  server.headersTimeout = limits.headersTimeoutMs;
  // Bodies have limits of their own, that tell an upload from a stall.
  server.requestTimeout = 0;
  server.keepAliveTimeout = limits.keepAliveMs;
  if (limits.maxConnections > 0) {
    server.maxConnections = limits.maxConnections;
    server.on("drop", makeRoom);
  }
  // Node's own refusal is bare; `checkRequest` tells the client what is missing.
  Object.assign(server, { requireHostHeader: false });
  server.on("clientError", onClientError);
  server.on("connect", onConnect);
  server.on("connection", joinWrites);
  server.on("connection", groupWrites);
}

/** The production server, made with the options that can only be given at creation. */
export function createHttpServer(
  listener: RequestListener,
  limits: ServerLimits,
  onUpgrade: UpgradeListener,
): Server {
  const server = createServer(
    { maxHeaderSize: limits.headerBytes, connectionsCheckingInterval: CHECK_MS, noDelay: true },
    listener,
  );
  applyServerLimits(server, limits);
  listenForExpectations(server, listener);
  listenForUpgrades(server, { listener, onUpgrade, limits });
  return server;
}

/**
 * Upgrades that the gateway takes go to `onUpgrade`, which answers whether it took the connection. All others are
 * served as if they had not asked (RFC 9110, section 7.8), bodies included, which clients that would like HTTP/2 send
 * along: Node hands over the bare connection as soon as anybody listens for upgrades, so that the request is given, as
 * it was read, to a server on which nobody does.
 */
export function listenForUpgrades(
  server: Server,
  {
    listener,
    onUpgrade,
    limits,
  }: { listener: RequestListener; onUpgrade: UpgradeListener; limits: ServerLimits },
): void {
  const plain = createServer({ maxHeaderSize: limits.headerBytes, requireHostHeader: false }, listener);
  plain.on("clientError", onClientError);
  listenForExpectations(plain, listener);
  server.on("upgrade", (req, socket, head) => {
    if (onUpgrade(req, socket, head)) return;
    socket.unshift(Buffer.concat([requestHead(req), head]));
    plain.emit("connection", socket);
  });
}

/** The lines that Node read; header fields keep their spelling and order. */
function requestHead({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** `Expect: 100-continue` is answered when the body is wanted, so that a refusal saves the upload. */
export function listenForExpectations(server: Server, listener: RequestListener): void {
  server.on("checkContinue", listener);
  server.on("checkExpectation", (req, res) => {
    const message = "Only the expectation 100-continue can be met";
    refuse(req, res, new GatewayError("invalid_request", { status: 417, message, headers: CLOSE }));
  });
}

const CLOSE = { connection: "close" };

function onConnect(_req: IncomingMessage, socket: Duplex): void {
  refuseConnection(socket, methodNotAllowed("CONNECT", "GET, HEAD, POST"));
}

/** What Node could not read, or what did not come in time. */
function onClientError(error: ClientError, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const current = answeredOn(socket);
  if (current && (current.headersSent || current.req.complete)) {
    // The fault lies behind the request that is being answered: nothing may stand in the place of that answer.
    current.once("close", () => closeInStages(socket));
    return;
  }
  refuseConnection(socket, toRefusal(error));
}

type ClientError = NodeJS.ErrnoException & { rawPacket?: Buffer };

/** What Node is answering on a connection; its own handler of client errors looks there as well. */
function answeredOn(socket: Socket): ServerResponse | null | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage;
}

function toRefusal({ code, rawPacket }: ClientError): GatewayError {
  const start = rawPacket?.toString("latin1", 0, LONGEST_START) ?? "";
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      // As far as can be seen: of a request line that came in several packets only the last is at hand.
      return /^[A-Z]+ \S+$/.test(start)
        ? new GatewayError("uri_too_long")
        : new GatewayError("request_too_large", {
            status: 431,
            message: "The request headers are too large",
          });
    case "HPE_INVALID_METHOD":
      return /^[A-Za-z-]+(?: |$)/.test(start)
        ? new GatewayError("method_not_allowed", { status: 501, message: "The method is not known" })
        : unreadable();
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new GatewayError("request_too_large", { message: "The chunk extensions are too large" });
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new GatewayError("request_timeout", { message: "The request did not arrive in time" });
    default:
      return unreadable();
  }
}

/** As much of a packet as is looked at to tell what it was meant to be. */
const LONGEST_START = 8 * 1024;

function unreadable(): GatewayError {
  return new GatewayError("invalid_request", { message: "The request could not be read" });
}
