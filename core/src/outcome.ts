import type { Outcome } from "./attempt.ts";
import { GatewayError, type UpstreamFailure } from "./errors.ts";

/** 499: the client closed its connection before its answer was over. */
export function clientLeft(): GatewayError {
  return new GatewayError("client_closed_request");
}

/** 504 with the limit that broke, in seconds. */
export function timeoutError(limitMs: number, upstream?: UpstreamFailure): GatewayError {
  const seconds = limitMs / 1000;
  const limit = `${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  const message =
    upstream?.kind === "queued"
      ? `No connection to the backend was free within ${limit}`
      : `Request timeout after ${limit}`;
  return new GatewayError("timeout", { message, upstream });
}

/** How a request that ended in this error is counted. */
export function outcomeOf(error: GatewayError): Outcome {
  if (error.code === "client_closed_request") return "client_abort";
  return error.upstream && error.upstream.kind !== "queued" ? "upstream_error" : "rejected";
}

/** The same after the commit point, where part of the answer has gone out. */
export function interruptedOutcome(error: GatewayError): Outcome {
  const kind = error.upstream?.kind;
  if (kind === "malformed" || kind === "stream_error") return "upstream_error";
  return error.code === "client_closed_request" ? "client_abort" : "truncated";
}
