import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServerRequest } from "srvx";
import { toNodeHandler } from "srvx/node";
import { toGatewayError } from "../errors.ts";
import { methodNotAllowed, type Gateway } from "../gateway.ts";
import type { ClientAddressOf } from "./client-address.ts";
import { answerControlPlane } from "./control-plane.ts";
import { checkRequest, type RequestTarget } from "./guards.ts";
import { NodeDownstream } from "./node-downstream.ts";
import { answer, openExchange, type ExchangeKeeping } from "./open-exchange.ts";
import { refuse } from "./refusal.ts";
import { requestIdOf } from "./request-id.ts";
import { endAfterReply, isEnding } from "./staged-close.ts";
import { leavesBodyUnread } from "./unread-body.ts";
import { upgradeRequired } from "../websocket/handshake.ts";

export interface NodeListenerOptions extends ExchangeKeeping {
  /** The snapshot in force; asked once for each request, which keeps what it got. */
  current(): Gateway;
  clientAddress: ClientAddressOf;
  /** Set while the process drains: new requests are served, on connections that then close. */
  closing(): boolean;
}

export type NodeListener = (req: IncomingMessage, res: ServerResponse) => void;

/** What a web request was made of. */
interface NodeObjects {
  req: IncomingMessage;
  res: ServerResponse;
}

/**
 * The way in on Node. Operations take the direct path: Node's own request and response, no web `Request` or `Response`
 * in between, which would cost several times the rest. Everything else goes to the h3 app.
 */
export function createNodeListener(options: NodeListenerOptions): NodeListener {
  const { current, clientAddress } = options;
  const controlPlane = toNodeHandler(async (request: ServerRequest) => {
    const response = await answerControlPlane(current(), request);
    const { req, res } = request.runtime!.node as NodeObjects;
    if (leavesBodyUnread(req, res)) res.setHeader("connection", "close");
    return response;
  }) as NodeListener;

  return function onRequest(req, res) {
    if (isEnding(req.socket)) return;
    if (options.closing()) res.setHeader("connection", "close");
    const gateway = current();
    let target: RequestTarget;
    try {
      target = checkRequest(req, gateway.config.server.limits.urlBytes, gateway.via);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      if (error.headers["connection"] === "close") endAfterReply(req.socket);
      refuse(req, res, error);
      return;
    }
    if (req.headers.upgrade !== undefined) {
      // Served as if it had not asked (RFC 9110, section 7.8), but somebody may believe the protocol to be another now.
      endAfterReply(req.socket);
      res.setHeader("connection", "close");
    }
    const match = gateway.routes.match(req.method!, target.path, req.headers);
    if (!match) {
      if (target.path === "*") {
        res.writeHead(204, {
          "x-request-id": requestIdOf(req.headers["x-request-id"] as string | undefined),
        });
        res.end();
        return;
      }
      controlPlane(req, res);
      return;
    }
    if (!match.operation) {
      refuse(req, res, methodNotAllowed(req.method!, match.allow), match.dialect);
      return;
    }

    if (match.operation.websocket) {
      refuse(req, res, upgradeRequired());
      return;
    }

    const downstream = new NodeDownstream(req, res, gateway.config.server.limits);
    const exchange = openExchange(
      gateway,
      {
        id: requestIdOf(req.headers["x-request-id"] as string | undefined),
        operation: match.operation,
        model: match.model,
        request: {
          method: req.method!,
          path: target.path,
          query: target.query,
          headers: req.headers as Record<string, string | undefined>,
          clientAddress: clientAddress(req.socket.remoteAddress ?? "", req.headers),
        },
        downstream,
      },
      options,
    );
    downstream.attach(exchange);
    // By the next tick the parser has read what came in the same packet as the headers, mostly the whole body.
    process.nextTick(answer, gateway, exchange, downstream);
  };
}
