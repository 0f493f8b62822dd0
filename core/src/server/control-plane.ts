import { HTTPError, type EventHandler, type H3, type H3Event } from "h3";
import type { Gateway } from "../gateway.ts";
import { methodNotAllowed, notFound } from "../gateway.ts";
import { GatewayError } from "../errors.ts";
import { toReplyField } from "../reply-fields.ts";
import { describeCause } from "./open-exchange.ts";
import { refusalHeaders } from "./refusal.ts";
import { requestIdOf } from "./request-id.ts";
import { VERSION } from "../version.ts";

/** What health routes report of the process. */
export interface ProcessHealth {
  draining(): boolean;
  stateOk(): boolean;
}

const startedAt = Date.now();

/** Of requests under way: an error tells the same id in its body and in its headers. */
const ids = new WeakMap<Request, string>();

/**
 * What is no operation: health and the routes of plugins. Every answer has a request id and, as replies of the chain have,
 * the gateway's own framing; never rejects.
 */
export async function answerControlPlane(gateway: Gateway, request: Request): Promise<Response> {
  try {
    return toSendable(await gateway.app.fetch(request), idOf(request));
  } catch (cause) {
    const event = { req: request, url: new URL(request.url) };
    return tellError(gateway, event, new GatewayError("internal_error", { cause }));
  }
}

function idOf(request: Request): string {
  let id = ids.get(request);
  if (id === undefined)
    ids.set(request, (id = requestIdOf(request.headers.get("x-request-id") ?? undefined)));
  return id;
}

/** Anew: headers of a redirect, or of a reply that was fetched, cannot be changed. Throws on what is no whole reply. */
function toSendable({ status, statusText, headers: given, body }: Response, id: string): Response {
  const headers = new Headers({ "x-request-id": id });
  for (const [name, value] of given) if (toReplyField(name) !== "") headers.append(name, value);
  return new Response(body, { status, statusText, headers });
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
  gateway.app.config.onError = (error, event) =>
    tellError(gateway, event, shapeError(gateway.app, error, event));
}

function tellError(
  { log, routes }: Gateway,
  { req, url }: { req: Request; url: URL },
  error: GatewayError,
): Response {
  const id = idOf(req);
  if (error.code === "internal_error")
    log.error("a route failed", {
      requestId: id,
      cause: describeCause(error.cause),
    });
  const dialect = routes.dialectOf(url.pathname, Object.fromEntries(req.headers));
  return new Response(dialect.errorBody(error, id), {
    status: error.status,
    headers: refusalHeaders(error, id, dialect),
  });
}

function shapeError(app: H3, error: HTTPError, { req, url, context }: H3Event): GatewayError {
  if (error.status === 404) {
    const allow = context.matchedRoute ? [] : methodsOf(app, url.pathname);
    // As it came: h3 has decoded the path that it routes by.
    if (allow.length === 0) return notFound(req.method, new URL(req.url).pathname);
    return methodNotAllowed(req.method, allow.join(", "));
  }
  if (error.status === 405) {
    const allow = error.headers?.get("allow");
    return allow ? methodNotAllowed(req.method, allow) : new GatewayError("method_not_allowed");
  }
  if (error.unhandled || error.status >= 500) return new GatewayError("internal_error", { cause: error });
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
