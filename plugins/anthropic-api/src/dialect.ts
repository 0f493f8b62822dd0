import { isJsonObject, writeSse } from "gatewright";
import type { Dialect, GatewayError, JsonObject } from "gatewright";

/**
 * Anthropic's error types by status (https://platform.claude.com/docs/en/api/errors). Other 4xx are
 * `invalid_request_error`, other 5xx `api_error`.
 */
const TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
};

/** Types that a backend of the same dialect may have named inside of a stream. */
const STREAMED_TYPES = new Set(["overloaded_error", "rate_limit_error", "timeout_error"]);

/**
 * Errors as `{ type: "error", error: { type, message, details }, request_id }`, in replies and in streams. The
 * gateway's own code is `details.error_code`, where the official SDKs read one. What a backend of the same dialect told
 * there comes before it.
 */
export const anthropicDialect: Dialect = {
  name: "anthropic",
  errorBody: (error, requestId) => JSON.stringify(errorObject(error, requestId)),
  // The official SDKs throw on this name, and skip what has none.
  errorEvent: (error, requestId) => writeSse(JSON.stringify(errorObject(error, requestId)), "error"),
  keepAlive: writeSse('{"type":"ping"}', "ping"),
  requestIdHeader: "request-id",
};

function errorObject(error: GatewayError, requestId: string): JsonObject {
  const { message, code, param, details, upstream } = error;
  return {
    type: "error",
    error: {
      type: errorType(error),
      message,
      details: {
        error_code: code,
        ...(param !== null && { param }),
        ...details,
        ...(isJsonObject(upstream?.details) && upstream.details),
      },
    },
    request_id: requestId,
  };
}

function errorType({ status, upstream }: GatewayError): string {
  const streamed = upstream?.kind === "stream_error" ? upstream.code : undefined;
  if (streamed !== undefined && STREAMED_TYPES.has(streamed)) return streamed;
  return TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
}
