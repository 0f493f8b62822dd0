import { GatewayError } from "gatewright";

/** Statuses as in draft-ietf-httpapi-idempotency-key-header, section 2.7. */
const CONFLICT = { status: 409, type: "invalid_request_error" } as const;

const NO_RETRY = { "x-should-retry": "false" };

export function malformedKey(header: string, length: number): GatewayError {
  return new GatewayError("invalid_request", {
    param: header,
    message: `The header \`${header}\` must have 1 to 255 characters, got ${length}`,
  });
}

export function keyOfAnother(): GatewayError {
  return new GatewayError("idempotency_key_reused", {
    status: 422,
    type: "invalid_request_error",
    message: "The idempotency key was used for another request",
    headers: NO_RETRY,
  });
}

export function stillRunning(): GatewayError {
  return new GatewayError("idempotency_key_in_use", {
    ...CONFLICT,
    message: "A request with this idempotency key is running, or was cut off with the outcome unknown",
    headers: { "retry-after": "1" },
  });
}

export function answerLost(): GatewayError {
  return new GatewayError("idempotency_answer_lost", {
    ...CONFLICT,
    message: "The request with this idempotency key was answered, but its answer was not kept",
    headers: NO_RETRY,
  });
}

export function storeDown(cause: unknown): GatewayError {
  return new GatewayError("state_unavailable", {
    message: "Idempotency keys cannot be checked at present",
    headers: { "retry-after": "1" },
    cause,
  });
}
