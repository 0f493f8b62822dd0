import { HTTPError, type EventHandler, type H3, type H3Event } from "h3";
import type { Gateway } from "../gateway.ts";
import { notFound } from "../gateway.ts";
import { GatewayError } from "../errors.ts";
import { refusalHeaders } from "./refusal.ts";
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

/** Every error of the h3 app in the shape that is meant for its path, with a request id. Call before the app serves. */
export function addErrorShape(gateway: Gateway): void {
  gateway.app.config.onError = (error, event) => {
    const id = requestIdOf(event.req.headers.get("x-request-id") ?? undefined);
    const shaped = shapeError(gateway.app, error, event);
    if (shaped.code === "internal_error")
      gateway.log.error("a route failed", { requestId: id, cause: error.stack ?? error.message });
    const dialect = gateway.routes.dialectOf(event.url.pathname, Object.fromEntries(event.req.headers));
    return new Response(dialect.errorBody(shaped, id), {
      status: shaped.status,
      headers: refusalHeaders(shaped, id, dialect),
    });
  };
}

function shapeError(app: H3, error: HTTPError, { req, url, context }: H3Event): GatewayError {
  if (error.status === 404) {
    const allow = context.matchedRoute ? [] : methodsOf(app, url.pathname);
    // As it came: h3 has decoded the path that it routes by.
    if (allow.length === 0) return notFound(req.method, new URL(req.url).pathname);
    return new GatewayError("method_not_allowed", { headers: { allow: allow.join(", ") } });
  }
  if (error.status === 405) {
    const allow = error.headers?.get("allow");
    return new GatewayError("method_not_allowed", { headers: allow ? { allow } : {} });
  }
  if (error.unhandled || error.status >= 500) return new GatewayError("internal_error");
  return new GatewayError("invalid_request", { status: error.status, message: error.message });
}

/**
 * The methods for which a path has routes (RFC 9110, section 15.5.6). Asked of h3's own router by the members that it
 * uses itself: what else could tell would have to match paths a second time, and otherwise.
 */
function methodsOf(app: H3, path: string): string[] {
  const known = new Set(app["~routes"].map(({ method }) => method ?? ""));
  if (known.has("GET")) known.add("HEAD");
  const asked = (method: string): H3Event => ({ req: { method }, url: { pathname: path } }) as H3Event;
  return [...known].filter((method) => app["~findRoute"](asked(method)));
}
