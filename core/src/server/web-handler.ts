import { GatewayError, toGatewayError } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import type { ClientAddressOf } from "./client-address.ts";
import { answerControlPlane } from "./control-plane.ts";
import { checkWebRequest, type RequestTarget } from "./guards.ts";
import { answer, openExchange, type ExchangeKeeping } from "./open-exchange.ts";
import { requestIdOf } from "./request-id.ts";
import { WebDownstream } from "./web-downstream.ts";
import { upgradeRequired } from "../websocket/handshake.ts";

export interface WebHandlerOptions extends ExchangeKeeping {
  current(): Gateway;
  clientAddress: ClientAddressOf;
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
    const match = gateway.routes.match(request.method, target.path);
    if (!match) return answerControlPlane(gateway, request);
    if (!match.operation)
      return refusal(id, new GatewayError("method_not_allowed", { headers: { allow: match.allow } }));
    if (match.operation.websocket) return refusal(id, upgradeRequired());

    const headers = Object.fromEntries(request.headers);
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

function refusal(id: string, error: GatewayError): Response {
  return new Response(openaiDialect.errorBody(error, id), {
    status: error.status,
    headers: { "content-type": "application/json", "x-request-id": id, ...error.headers },
  });
}
