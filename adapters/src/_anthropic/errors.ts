import { isJsonObject } from "gatewright";
import type { JsonObject, OperationName } from "gatewright";

/** https://platform.claude.com/docs/en/api/errors */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** What OpenAI's clients know these errors by. */
const IN_HUB_WORDS: Readonly<Record<string, { type: string; code?: string }>> = {
  invalid_request_error: { type: "invalid_request_error" },
  not_found_error: { type: "invalid_request_error", code: "not_found" },
  conflict_error: { type: "invalid_request_error", code: "conflict" },
  request_too_large: { type: "invalid_request_error", code: "request_too_large" },
  rate_limit_error: { type: "rate_limit_exceeded", code: "rate_limit_exceeded" },
};

interface ReadError {
  message?: string;
  code?: string;
  type?: string;
  param?: string;
}

/** Reads `{ type: "error", error: { type, message, details }, request_id }`. Anthropic's support asks for the id. */
export function fromError(_status: number, body: unknown): ReadError {
  const error = isJsonObject(body) ? body["error"] : undefined;
  if (!isJsonObject(body) || !isJsonObject(error)) return {};
  const { type, message } = error;
  if (typeof type !== "string") return typeof message === "string" ? { message } : {};
  const text = typeof message === "string" ? message : "";
  const id = body["request_id"];
  return {
    ...named(type, text, error),
    ...(text !== "" && { message: typeof id === "string" ? `${text} (${id})` : text }),
  };
}

/** Reached limits of the customer's own have no type of their own, and pass only when the month does. */
const OWN_SPEND_LIMIT = /^You have reached your specified (?:\w+ )?API usage limits/;
const TOO_LONG = /prompt is too long|exceeds? (?:the )?context (?:limit|window)/i;

function named(type: string, message: string, error: JsonObject): Omit<ReadError, "message"> {
  const details = isJsonObject(error["details"]) ? error["details"] : {};
  const detail = typeof details["error_code"] === "string" ? details["error_code"] : undefined;
  const quota =
    type === "billing_error" || detail === "enforced_spend_limit_reached" || OWN_SPEND_LIMIT.test(message);
  if (quota) return { type: "insufficient_quota", code: "insufficient_quota" };
  if (type === "invalid_request_error" && TOO_LONG.test(message))
    return { type, code: "context_length_exceeded", param: "messages" };
  if (type === "not_found_error" && message.startsWith("model:"))
    return { type: "invalid_request_error", code: "model_not_found", param: "model" };
  const known = Object.hasOwn(IN_HUB_WORDS, type) ? IN_HUB_WORDS[type]! : { type, code: type };
  return detail === undefined ? known : { ...known, code: detail };
}

/** A 2xx body that is an error, or no answer to the operation. */
export function errorInReply(
  body: JsonObject,
  operation: OperationName,
): { status: number; message?: string; code?: string } | undefined {
  if (body["type"] === "error") return { status: 502, ...readError(body) };
  const answers =
    operation === "messagesCountTokens" || operation === "countTokens"
      ? typeof body["input_tokens"] === "number"
      : Array.isArray(body["content"]);
  return answers ? undefined : { status: 502, message: "The backend's reply holds no answer" };
}

/** The event that ends a stream, in the hub's form. */
export function toErrorEvent(event: JsonObject): JsonObject {
  return { error: readError(event) };
}

function readError(body: JsonObject): { message?: string; code?: string; status?: number } {
  const error = isJsonObject(body["error"]) ? body["error"] : {};
  const type = typeof error["type"] === "string" ? error["type"] : "";
  const { message, code } = fromError(0, body);
  return {
    ...(message !== undefined && { message }),
    ...(code !== undefined && { code }),
    ...(Object.hasOwn(STATUSES, type) && { status: STATUSES[type] }),
  };
}

/** https://platform.claude.com/docs/en/api/rate-limits */
const LIMITS = ["requests", "tokens", "input-tokens", "output-tokens"] as const;

/**
 * The wait until the limits that are used up are reset, where no `retry-after` says it. Measured from the reply's own
 * `date`, so that neither a clock nor its agreement with the backend's is needed.
 */
export function retryAfterMs(headers: Record<string, string>): number | undefined {
  const now = Date.parse(headers["date"] ?? "");
  const waits = LIMITS.filter((limit) => headers[`anthropic-ratelimit-${limit}-remaining`] === "0")
    .map((limit) => Date.parse(headers[`anthropic-ratelimit-${limit}-reset`] ?? "") - now)
    .filter((wait) => wait >= 0);
  return waits.length === 0 ? undefined : Math.max(...waits);
}
