import { defineOperation, GatewayError } from "gatewright";
import type { DownstreamRequest, Operation } from "gatewright";

declare module "gatewright" {
  interface OperationNames {
    responseRetrieval: true;
    responseDeletion: true;
    responseCancellation: true;
  }
}

/** What is asked of a stored response. */
export interface StoredRequest {
  readonly id: string;
  readonly part: "" | "/input_items" | "/cancel";
}

const ROOT = "/v1/responses";
const PATH = /^\/v1\/responses\/([\w-]{1,128})(|\/input_items|\/cancel)$/;

/** Throws 404 for a path that leads nowhere. */
export function readStoredRequest({ method, path }: DownstreamRequest): StoredRequest {
  const [, id, part] = PATH.exec(path) ?? [];
  const isKnown =
    id !== undefined && (method === "POST") === (part === "/cancel") && (method !== "DELETE" || part === "");
  if (!isKnown) throw new GatewayError("not_found", { message: `No route ${method} ${path}` });
  return { id, part: part as StoredRequest["part"] };
}

/** `GET /v1/responses/{id}` and `…/input_items`, `DELETE /v1/responses/{id}`, `POST /v1/responses/{id}/cancel`. */
export function createOperations({ dialect, stream }: Operation): Operation[] {
  const shared = {
    paths: [`${ROOT}/**`],
    dialect,
    body: "none",
    reply: "json",
    mappedAs: "responses",
    pathBelow: ({ path, query }: DownstreamRequest) => path.slice(ROOT.length) + queryBelow(query),
  } as const;
  return [
    defineOperation({
      ...shared,
      name: "responseRetrieval",
      method: "GET",
      replaySafe: true,
      stream,
      wantsStream: (_body, { query }) => new URLSearchParams(query).get("stream") === "true",
    }),
    // RFC 9110, section 9.2.2: to delete twice is to delete.
    defineOperation({ ...shared, name: "responseDeletion", method: "DELETE", replaySafe: true }),
    defineOperation({ ...shared, name: "responseCancellation", method: "POST", replaySafe: true }),
  ];
}

/** What the API knows in a query. Whatever else clients put there, a key among it, is not the backend's to see. */
const QUERY_NAMES =
  /^(?:stream|starting_after|include(?:\[\])?|include_obfuscation|after|before|limit|order)$/;

function queryBelow(query: string): string {
  const kept = query.split("&").filter((part) => {
    const [[name]] = [...new URLSearchParams(part), ["", ""]] as [[string, string]];
    return QUERY_NAMES.test(name);
  });
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}
