import type { Duplex } from "node:stream";
import { toGatewayError } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import type { Operation } from "../operation.ts";
import { asksForWebSocket, checkHandshake } from "../websocket/handshake.ts";
import { checkRequest, type RequestTarget } from "./guards.ts";
import type { UpgradeListener } from "./http-server.ts";
import type { NodeListenerOptions } from "./node-listener.ts";
import { answer, openExchange } from "./open-exchange.ts";
import { refuseConnection, shuttingDown } from "./refusal.ts";
import { requestIdOf } from "./request-id.ts";
import { WebSocketDownstream } from "./websocket-downstream.ts";

interface Wanted {
  readonly operation: Operation;
  readonly target: RequestTarget;
}

/** The way in for WebSocket: takes the connections whose path is an operation of that kind, and leaves all others. */
export function createUpgradeListener(options: NodeListenerOptions): UpgradeListener {
  return function onUpgrade(req, socket, head) {
    const gateway = options.current();
    const wanted = find(gateway, req);
    if (!wanted) return false;
    try {
      if (options.closing()) throw shuttingDown();
      checkHandshake(req.headers);
    } catch (error) {
      refuseConnection(socket, toGatewayError(error));
      return true;
    }

    const { operation, target } = wanted;
    const sent = req.headers as Record<string, string | undefined>;
    const headers = operation.websocket!.readHeaders?.(sent) ?? sent;
    const downstream = new WebSocketDownstream(
      { req, socket, head, closing: options.closing },
      gateway.config.server.limits,
    );
    const exchange = openExchange(
      gateway,
      {
        id: requestIdOf(sent["x-request-id"]),
        operation,
        model: undefined,
        request: {
          method: "GET",
          path: target.path,
          query: target.query,
          headers,
          clientAddress: options.clientAddress(addressOf(socket), req.headers),
        },
        downstream,
      },
      options,
    );
    downstream.attach(exchange);
    void answer(gateway, exchange, downstream);
    return true;
  };
}

/** Undefined for whatever is to be answered, or refused, as a plain request. */
function find(gateway: Gateway, req: Parameters<UpgradeListener>[0]): Wanted | undefined {
  if (req.method !== "GET" || !asksForWebSocket(req.headers)) return undefined;
  let target: RequestTarget;
  try {
    target = checkRequest(req, gateway.config.server.limits.urlBytes, gateway.via);
  } catch {
    // The plain way in finds the same fault and says so.
    return undefined;
  }
  const operation = gateway.routes.match("GET", target.path, req.headers)?.operation;
  return operation?.websocket ? { operation, target } : undefined;
}

function addressOf(socket: Duplex): string {
  return (socket as { remoteAddress?: string }).remoteAddress ?? "";
}
