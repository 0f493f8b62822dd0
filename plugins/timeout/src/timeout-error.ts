import { GatewayError } from "gatewright";

/** 504 that names the limit, in seconds, and lays it at the door of the attempt that is given up for it. */
export function timeoutError(limitMs: number): GatewayError {
  const seconds = limitMs / 1_000;
  return new GatewayError("timeout", {
    message: `Request timeout after ${seconds} ${seconds === 1 ? "second" : "seconds"}`,
    upstream: { kind: "timeout", sent: true },
  });
}

/** The end of a stream that has begun: it can only be reported inside of it. */
export function interruption(kind: "stalled" | "timeout", message: string): GatewayError {
  return new GatewayError("upstream_interrupted", { message, upstream: { kind, sent: true } });
}
