import { brand, hasBrand } from "./brand.ts";
import type { Attempt } from "./attempt.ts";

/**
 * Every code that core itself answers with: HTTP status, OpenAI error `type`, and the message when none is given.
 * A code once released keeps its meaning. Plugins add their own codes by `new GatewayError` with status and type.
 */
export const ERROR_CODES = {
  invalid_request: { status: 400, type: "invalid_request_error", message: "The request is not valid" },
  invalid_json: { status: 400, type: "invalid_request_error", message: "The body is not valid JSON" },
  json_too_deep: { status: 400, type: "invalid_request_error", message: "The body is nested too deeply" },
  json_too_large: { status: 400, type: "invalid_request_error", message: "The body has too many values" },
  duplicate_field: { status: 400, type: "invalid_request_error", message: "A field is given twice" },
  missing_parameter: { status: 400, type: "invalid_request_error", message: "A required field is missing" },
  unsupported_parameter: {
    status: 400,
    type: "invalid_request_error",
    message: "A field cannot be carried to the backend",
  },
  unknown_provider: { status: 400, type: "invalid_request_error", message: "There is no such provider" },
  invalid_api_key: { status: 401, type: "authentication_error", message: "Invalid API key" },
  provider_key_missing: {
    status: 401,
    type: "authentication_error",
    message: "There is no account of this provider",
  },
  insufficient_permissions: {
    status: 403,
    type: "permission_error",
    message: "The key does not allow this operation",
  },
  model_not_allowed: { status: 403, type: "permission_error", message: "The key does not allow this model" },
  origin_not_allowed: {
    status: 403,
    type: "permission_error",
    message: "Web pages of this origin may not call the gateway",
  },
  model_not_found: { status: 404, type: "invalid_request_error", message: "The model does not exist" },
  not_found: { status: 404, type: "invalid_request_error", message: "No such route" },
  method_not_allowed: {
    status: 405,
    type: "invalid_request_error",
    message: "The method is not allowed here",
  },
  request_timeout: { status: 408, type: "invalid_request_error", message: "The body did not arrive in time" },
  request_too_large: { status: 413, type: "invalid_request_error", message: "The body is too large" },
  uri_too_long: { status: 414, type: "invalid_request_error", message: "The URL is too long" },
  unsupported_media_type: {
    status: 415,
    type: "invalid_request_error",
    message: "The content type is not supported here",
  },
  upgrade_required: {
    status: 426,
    type: "invalid_request_error",
    message: "This path is for WebSocket alone",
  },
  client_closed_request: { status: 499, type: "invalid_request_error", message: "The client left" },
  internal_error: { status: 500, type: "internal_error", message: "Internal error" },
  unsupported_operation: {
    status: 501,
    type: "invalid_request_error",
    message: "No backend of this model has the operation",
  },
  provider_error: { status: 502, type: "provider_error", message: "The backend failed" },
  upstream_auth_error: {
    status: 502,
    type: "provider_error",
    message: "The backend refused the gateway's credentials",
  },
  upstream_tls_error: {
    status: 502,
    type: "provider_error",
    message: "No TLS connection to the backend could be made, or its certificate could not be verified",
  },
  /** In a stream after the commit point only: the status has gone out already. */
  upstream_interrupted: {
    status: 502,
    type: "provider_error",
    message: "The backend ended the stream early",
  },
  no_nodes: { status: 503, type: "service_unavailable", message: "No available nodes" },
  no_available_instances: {
    status: 503,
    type: "service_unavailable",
    message: "All service instances are unavailable",
  },
  state_unavailable: {
    status: 503,
    type: "service_unavailable",
    message: "The state cannot be reached",
  },
  draining: { status: 503, type: "service_unavailable", message: "The gateway is shutting down" },
  overloaded: { status: 503, type: "service_unavailable", message: "The gateway is overloaded" },
  timeout: { status: 504, type: "gateway_timeout", message: "Request timeout" },
  loop_detected: {
    status: 508,
    type: "invalid_request_error",
    message: "The request came back to this gateway",
  },
} as const satisfies Record<string, { status: number; type: string; message: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * Why an upstream attempt failed, as far as policies need to tell. `sent` says whether the backend may have seen
 * the request; `status` is the upstream status where one arrived.
 */
export interface UpstreamFailure {
  readonly kind:
    /** No connection of the gateway's own pool was free in time: the backend has no part in it. */
    | "queued"
    | "connect"
    | "tls"
    | "reset"
    | "timeout"
    | "status"
    | "malformed"
    | "truncated"
    | "stalled"
    | "stream_error";
  readonly sent: boolean;
  readonly status?: number;
  /** Wait that the backend asked for, in milliseconds, already parsed from any of its forms. */
  readonly retryAfterMs?: number;
  /** The backend's own error code, e.g. `context_length_exceeded`. */
  readonly code?: string;
  /** `error.details` as the backend sent it, where the client speaks its dialect; what must not leave is taken out. */
  readonly details?: unknown;
  /** The last event of the stream has told the client: no error event follows. */
  readonly told?: boolean;
}

export interface GatewayErrorOptions {
  /** HTTP status; taken from the table for codes of core. */
  status?: number;
  type?: string;
  message?: string;
  param?: string;
  /** Safe to send: goes out as `error.details`. */
  details?: Record<string, unknown>;
  /** Extra reply headers, e.g. `retry-after`. Lower-case names. */
  headers?: Record<string, string>;
  /** Set when a backend caused it. */
  upstream?: UpstreamFailure;
  cause?: unknown;
}

/**
 * The one error class of Gatewright. `code` is what clients see, stable, lower snake case. Identity is by brand
 * (`isGatewayError`), not `instanceof`, since two copies of core can meet. Messages never hold secrets, prompts,
 * URLs of backends or upstream bodies.
 */
export class GatewayError extends Error {
  readonly code: string;
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly details?: Record<string, unknown>;
  headers: Record<string, string>;
  readonly upstream?: UpstreamFailure;
  /** The attempt that failed, set by dispatch. */
  attempt?: Attempt;

  constructor(code: ErrorCode | (string & {}), options: GatewayErrorOptions = {}) {
    const known = (ERROR_CODES as Record<string, { status: number; type: string; message: string }>)[code];
    super(
      options.message ?? known?.message ?? code,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "GatewayError";
    this.code = code;
    this.status = options.status ?? known?.status ?? 500;
    this.type = options.type ?? known?.type ?? "internal_error";
    this.param = options.param ?? null;
    if (options.details) this.details = options.details;
    this.headers = options.headers ?? {};
    if (options.upstream) this.upstream = options.upstream;
    brand("error", this);
  }
}

export function isGatewayError(value: unknown): value is GatewayError {
  return hasBrand("error", value);
}

/** The code of the system, of TLS or of the HTTP parser behind the failure of a backend, for logs: `ECONNREFUSED`. */
export function causeOf({ upstream, cause }: GatewayError): string | undefined {
  const code = upstream && (cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Anything thrown, as a `GatewayError`: an unknown one keeps its cause and tells the client nothing. */
export function toGatewayError(thrown: unknown): GatewayError {
  return isGatewayError(thrown) ? thrown : new GatewayError("internal_error", { cause: thrown });
}
