import { toGatewayError, type GatewayError } from "../errors.ts";
import { methodNotAllowed, notFound, type Gateway } from "../gateway.ts";
import type { Dialect } from "../operation.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import type { ClientAddressOf } from "./client-address.ts";
import { answerControlPlane } from "./control-plane.ts";
import { checkWebRequest, type RequestTarget } from "./guards.ts";
import { answer, openExchange, type ExchangeKeeping } from "./open-exchange.ts";
import { refusalHeaders } from "./refusal.ts";
import { requestIdOf } from "./request-id.ts";
import { WebDownstream } from "./web-downstream.ts";
import { upgradeRequired } from "../websocket/handshake.ts";

export interface WebHandlerOptions extends ExchangeKeeping {
  current(): Gateway;
  clientAddress: ClientAddressOf;
  /** Routes that are no operations are not found: whoever asks is no client, and has no address of its own. */
  operationsOnly?: boolean;
}

/** The same gateway behind web `Request` and `Response`: for Bun, Deno, and tests without a socket. */
export type WebHandler = (request: Request, client?: { address?: string }) => Promise<Response>;

export function createWebHandler(options: WebHandlerOptions): WebHandler {
  return async function handle(request, client) {
    const gateway = options.current();
    const id = requestIdOf(request.headers.get("x-request-id") ?? undefined);
    let target: RequestTarget;
    try {
      target = checkWebRequest(request, gateway.config.server.limits.urlBytes, gateway.via);
    } catch (thrown) {
      return refusal(id, toGatewayError(thrown));
    }
    const headers = Object.fromEntries(request.headers);
    const match = gateway.routes.match(request.method, target.path, headers);
    if (!match)
      return options.operationsOnly
        ? refusal(id, notFound(request.method, target.path), gateway.routes.dialectOf(target.path, headers))
        : answerControlPlane(gateway, request);
    if (!match.operation) return refusal(id, methodNotAllowed(request.method, match.allow), match.dialect);
    if (match.operation.websocket) return refusal(id, upgradeRequired());

    const downstream = new WebDownstream(request, gateway.config.server.limits);
    const exchange = openExchange(
      gateway,
      {
        id,
        operation: match.operation,
        model: match.model,
        request: {
          method: request.method,
          path: target.path,
          query: target.query,
          headers,
          clientAddress: options.clientAddress(client?.address ?? "", headers),
        },
        downstream,
      },
      options,
    );
    downstream.attach(exchange);
    void answer(gateway, exchange, downstream);
    return downstream.response;
  };
}

function refusal(id: string, error: GatewayError, dialect: Dialect = openaiDialect): Response {
  return new Response(dialect.errorBody(error, id), {
    status: error.status,
    headers: refusalHeaders(error, id, dialect),
  });
}
