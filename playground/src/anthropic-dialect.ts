import { countMessages, createMessage } from "./anthropic/messages.ts";
import { listModels, showModel } from "./anthropic/models.ts";
import { bearerOf, type Dialect } from "./dialect.ts";
import { newId } from "./ids.ts";
import { Refusal } from "./refusal.ts";

/** Anthropic's API: https://platform.claude.com/docs/en/api/overview. */
export function createAnthropicDialect(): Dialect {
  return {
    routes: {
      "POST /v1/messages": createMessage,
      "POST /v1/messages/count_tokens": countMessages,
      "GET /v1/models": listModels,
      "GET /v1/models/*": showModel,
    },
    headers: () => ({
      "request-id": newId("req"),
      "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
    }),
    keyOf: (headers) => headers["x-api-key"] ?? bearerOf(headers),
    wrongKey: () => new Refusal(401, "invalid x-api-key"),
    error: (status, message) => ({
      type: "error",
      error: { type: ERROR_TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error"), message },
      request_id: newId("req"),
    }),
  };
}

/** https://platform.claude.com/docs/en/api/errors. */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};
