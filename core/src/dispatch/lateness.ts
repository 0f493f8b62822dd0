import type { Attempt } from "../attempt.ts";
import type { UpstreamFailure } from "../errors.ts";
import type { TransportCall } from "../transport/transport.ts";

/** What a time limit that breaks now is laid to. Without a call its headers of authorisation are still being made. */
export function latenessOf(call: TransportCall | undefined, status: number | undefined): UpstreamFailure {
  if (call?.stage === "queued") return { kind: "queued", sent: false };
  return { kind: "timeout", sent: call?.stage === "sent", status };
}

/** A limit of 0 is off. */
export function isBroken(limitMs: number, elapsedMs: number): boolean {
  return limitMs > 0 && elapsedMs >= limitMs;
}

/** How an attempt counts that was ended before its commit point: a backend that was never asked did not fail. */
export function blameFor(cause: UpstreamFailure | undefined): NonNullable<Attempt["outcome"]> {
  if (!cause) return "cancelled";
  return cause.kind === "queued" ? "rejected" : "upstream_error";
}
