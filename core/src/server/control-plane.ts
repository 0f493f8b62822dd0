import { HTTPError, type EventHandler, type H3 } from "h3";
import type { Gateway } from "../gateway.ts";
import { notFound } from "../gateway.ts";
import { GatewayError } from "../errors.ts";
import { openaiDialect } from "../operations/openai-dialect.ts";
import { requestIdOf } from "./request-id.ts";
import { VERSION } from "../version.ts";

/** What health routes report of the process. */
export interface ProcessHealth {
  draining(): boolean;
  stateOk(): boolean;
}

const startedAt = Date.now();

/** What is no operation: health and the routes of plugins. Every answer has a request id; never rejects. */
export async function answerControlPlane({ app }: Gateway, request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await app.fetch(request);
  } catch {
    response = new Response(null, { status: 500 });
  }
  if (response.headers.has("x-request-id")) return response;
  // Anew: headers of a redirect, or of a reply that was fetched, cannot be changed.
  const headers = new Headers(response.headers);
  headers.set("x-request-id", requestIdOf(request.headers.get("x-request-id") ?? undefined));
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/**
 * `/health`, `/livez`, `/readyz`. Liveness asks nothing but that the loop answers; readiness fails while the process
 * drains or its store cannot be used. No names of backends: these routes are public.
 */
export function addHealthRoutes(app: H3, health: ProcessHealth): void {
  addHealthRoute(app, "/livez", () => ({ status: "ok" }));
  addHealthRoute(app, "/readyz", () => {
    const reason = health.draining() ? "draining" : health.stateOk() ? undefined : "state unavailable";
    return Response.json({ status: reason ?? "ready" }, { status: reason ? 503 : 200 });
  });
  addHealthRoute(app, "/health", () => ({
    status: health.draining() ? "draining" : health.stateOk() ? "healthy" : "degraded",
    version: VERSION,
    uptime: Math.floor((Date.now() - startedAt) / 1000),
  }));
}

function addHealthRoute(app: H3, path: string, handler: EventHandler): void {
  app.get(path, handler);
  app.on("HEAD", path, handler);
  app.all(path, () => {
    throw new HTTPError({ status: 405, headers: { allow: "GET, HEAD" } });
  });
}

/** Every error of the h3 app in the OpenAI shape, with a request id. Call before the app serves. */
export function addErrorShape(gateway: Gateway): void {
  gateway.app.config.onError = (error, event) => {
    const id = requestIdOf(event.req.headers.get("x-request-id") ?? undefined);
    const shaped = shapeError(error, event.req.method, event.url.pathname);
    if (shaped.code === "internal_error")
      gateway.log.error("a route failed", { requestId: id, cause: error.stack ?? error.message });
    return new Response(openaiDialect.errorBody(shaped, id), {
      status: shaped.status,
      headers: { "content-type": "application/json", "x-request-id": id, ...shaped.headers },
    });
  };
}

function shapeError(error: HTTPError, method: string, path: string): GatewayError {
  if (error.status === 404) return notFound(method, path);
  if (error.status === 405) {
    const allow = error.headers?.get("allow");
    return new GatewayError("method_not_allowed", { headers: allow ? { allow } : {} });
  }
  if (error.unhandled || error.status >= 500) return new GatewayError("internal_error");
  return new GatewayError("invalid_request", { status: error.status, message: error.message });
}
