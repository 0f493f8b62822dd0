import { stringifyJson } from "./body/exact-json.ts";
import type { Context } from "./context.ts";
import type { JsonObject } from "./operation.ts";

/** A request that a client sent inside of another. */
export interface InnerRequest {
  readonly path: string;
  /** Of a `POST`, as JSON or as its text; without one it is a `GET`. */
  readonly body?: JsonObject | Uint8Array;
  /** Its place among the requests of the one that brought it. */
  readonly index: number;
  /** Gives it up. Default: that of the request that brought it. */
  readonly signal?: AbortSignal;
}

/** Headers that are about the one message that carried them, and not about who sent it. */
const OWN = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "expect",
  "host",
  "idempotency-key",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-request-id",
]);

/** As much of an id as leaves room for a place behind it. */
const ID_LENGTH = 120;

/**
 * Makes what `GatewayHost.fetch` takes of a request inside of another: from the same client, with its credential and
 * query, under the id of the request that brought it and its place behind that, `req_…:0`.
 */
export function createInnerRequest(
  { id, request, signal: outer }: Context,
  { path, body, index, signal = outer }: InnerRequest,
): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !isOwn(name)) headers.append(name, value);
  headers.set("x-request-id", `${id.slice(0, ID_LENGTH)}:${index}`);
  // The query goes along for the credential that it may hold.
  const mark = path.includes("?") ? "&" : "?";
  const url = `http://gateway${path}${request.query === "" ? "" : mark + request.query}`;
  if (body === undefined) return new Request(url, { headers, signal });
  headers.set("content-type", "application/json");
  const text = body instanceof Uint8Array ? body : stringifyJson(body);
  return new Request(url, { method: "POST", headers, body: text, signal });
}

function isOwn(name: string): boolean {
  return OWN.has(name) || name.startsWith("content-") || name.startsWith("sec-websocket-");
}
