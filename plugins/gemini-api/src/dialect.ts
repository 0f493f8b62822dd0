import type { Dialect, GatewayError, JsonObject } from "gatewright";

/** `google.rpc.Code` by HTTP status (googleapis, `google/rpc/code.proto`); other 4xx are `INVALID_ARGUMENT`. */
const STATUSES: Readonly<Record<number, string>> = {
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "ABORTED",
  429: "RESOURCE_EXHAUSTED",
  499: "CANCELLED",
  500: "INTERNAL",
  501: "UNIMPLEMENTED",
  504: "DEADLINE_EXCEEDED",
};

/**
 * Google's error shape, `{ error: { code, message, status, details } }` (google.aip.dev/193), in replies and as the
 * data of an event. Its SDKs throw on such an event only when `code` is a number from 400 to 599.
 */
export const geminiDialect: Dialect = {
  name: "gemini",
  errorBody: (error) => JSON.stringify(errorObject(error)),
  errorEvent: (error) => `data: ${JSON.stringify(errorObject(error))}\n\n`,
};

function errorObject(error: GatewayError): JsonObject {
  const { status, message } = error;
  const name = STATUSES[status] ?? (status < 500 ? "INVALID_ARGUMENT" : "UNAVAILABLE");
  return { error: { code: status, message, status: name, details: toDetails(error) } };
}

/**
 * What a Gemini backend told; else the gateway's own code as a reason, the field at fault, and the wait, each in the type
 * that Google has for it.
 */
function toDetails({ code, message, param, headers, upstream }: GatewayError): readonly unknown[] {
  if (Array.isArray(upstream?.details)) return upstream.details;
  const details = [typed("ErrorInfo", { reason: code.toUpperCase(), domain: "gatewright" })];
  if (param !== null)
    details.push(typed("BadRequest", { fieldViolations: [{ field: param, description: message }] }));
  const retryAfter = headers["retry-after"];
  if (retryAfter !== undefined && /^\d+$/.test(retryAfter))
    details.push(typed("RetryInfo", { retryDelay: `${retryAfter}s` }));
  return details;
}

function typed(name: string, fields: JsonObject): JsonObject {
  return { "@type": `type.googleapis.com/google.rpc.${name}`, ...fields };
}
