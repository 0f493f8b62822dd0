import { GatewayError } from "../errors.ts";
import type { Gateway } from "../gateway.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import { answer, openExchange, type ExchangeKeeping } from "./open-exchange.ts";
import { requestIdOf } from "./request-id.ts";
import { WebDownstream } from "./web-downstream.ts";

export interface WebHandlerOptions extends ExchangeKeeping {
  current(): Gateway;
}

/** The same gateway behind web `Request` and `Response`: for Bun, Deno, and tests without a socket. */
export type WebHandler = (request: Request, client?: { address?: string }) => Promise<Response>;

export function createWebHandler(options: WebHandlerOptions): WebHandler {
  return async function handle(request, client) {
    const gateway = options.current();
    const url = new URL(request.url);
    const id = requestIdOf(request.headers.get("x-request-id") ?? undefined);
    const match = gateway.routes.match(request.method, url.pathname);
    if (!match) return gateway.app.fetch(request);
    if (!match.operation)
      return refusal(id, new GatewayError("method_not_allowed", { headers: { allow: match.allow } }));
    if (request.headers.get("via")?.includes(gateway.via))
      return refusal(id, new GatewayError("loop_detected"));

    const downstream = new WebDownstream(request, gateway.config.server.limits);
    const exchange = openExchange(
      gateway,
      {
        id,
        operation: match.operation,
        model: match.model,
        request: {
          method: request.method,
          path: url.pathname,
          query: url.search.slice(1),
          headers: Object.fromEntries(request.headers),
          clientAddress: client?.address ?? "",
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
