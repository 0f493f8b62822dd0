import { GatewayError } from "gatewright";
import type { Context, Reply } from "gatewright";
import type { FallbackAnswer } from "./options.ts";

const HEADERS = { "x-gatewright-fallback": "default" };

/** The configured answer in place of a failure: its body, or the failure under the configured message and status. */
export function preparedAnswer(
  { message, status, body }: FallbackAnswer,
  ctx: Context,
  failure: GatewayError,
): Reply {
  if (body !== undefined && (status >= 400 || !ctx.stream))
    return {
      status,
      headers: { "content-type": "application/json", ...HEADERS },
      body: JSON.stringify(body),
    };
  const error = new GatewayError(failure.code, {
    type: failure.type,
    status: status >= 400 ? status : 503,
    message,
    headers: { ...failure.headers, ...HEADERS },
    upstream: failure.upstream,
    cause: failure,
  });
  error.attempt = failure.attempt;
  throw error;
}
