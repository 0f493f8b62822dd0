import { GatewayError, isJsonObject, viewOf, missingField, wrongField } from "gatewright";
import type { Context, JsonObject, OperationRoutes } from "gatewright";

/** One request of a batch, as it was sent. */
export interface BatchRequest {
  readonly id: string;
  readonly endpoint: unknown;
  readonly body: unknown;
}

/** Longest id of a request. */
const MAX_ID_LENGTH = 256;

const EXPECTED = "a list of `{ id, endpoint, body }`";

/** The requests of a batch. Throws 400 for what makes the answers impossible to tell apart. */
export function readRequests(body: JsonObject, maxRequests: number): BatchRequest[] {
  const { requests } = body;
  if (requests === undefined) throw new GatewayError("missing_parameter", missingField("requests", EXPECTED));
  if (!Array.isArray(requests) || requests.length === 0) throw wrong("requests", EXPECTED, requests);
  if (requests.length > maxRequests)
    throw invalid("requests", `A batch holds at most ${maxRequests} requests, got ${requests.length}`);
  const ids = new Set<string>();
  return requests.map((request: unknown, index) => {
    const param = `requests[${index}].id`;
    const { id, endpoint, body: own } = isJsonObject(request) ? request : {};
    if (typeof id !== "string" || id === "" || id.length > MAX_ID_LENGTH)
      throw wrong(param, `a text of 1 to ${MAX_ID_LENGTH} characters`, id);
    if (ids.has(id)) throw invalid(param, `\`${param}\`: the id stands twice in the batch`);
    ids.add(id);
    return { id, endpoint, body: own };
  });
}

/**
 * The path that a request of a batch goes to. Throws what it is answered with where it goes nowhere: only operations
 * whose request and reply are JSON can be part of a batch, and nothing that streams.
 */
export function checkRequest(
  { endpoint, body }: BatchRequest,
  routes: OperationRoutes,
  { request }: Context,
): { path: string; body: JsonObject } {
  if (typeof endpoint !== "string" || !/^\/[^?#\s]*$/.test(endpoint))
    throw wrong("endpoint", "a path, such as `/v1/chat/completions`", endpoint);
  const operation = routes.match("POST", endpoint)?.operation;
  if (!operation)
    throw new GatewayError("not_found", { param: "endpoint", message: `No route POST ${endpoint}` });
  if (operation.body !== "json" || operation.reply !== "json" || operation.carriesRequests)
    throw invalid("endpoint", `\`${endpoint}\` cannot be part of a batch`);
  if (!isJsonObject(body)) throw wrong("body", "a JSON object", body);
  const streams = operation.wantsStream?.(viewOf(body), { ...request, path: endpoint, query: "" });
  if (streams || body["stream"] === true) throw invalid("stream", "A request of a batch cannot stream");
  return { path: endpoint, body };
}

function wrong(param: string, expected: string, given: unknown): GatewayError {
  return new GatewayError("invalid_request", wrongField(param, expected, given));
}

function invalid(param: string, message: string): GatewayError {
  return new GatewayError("invalid_request", { param, message });
}
