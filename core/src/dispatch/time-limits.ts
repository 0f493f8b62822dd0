import type { Attempt } from "../attempt.ts";
import type { Timeouts } from "../backend.ts";
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

/**
 * The broken limit of an attempt that has no response headers yet. It runs for `ageMs`, in which the backend alone was
 * waited for since `handedMs`.
 */
export function limitBeforeHeaders(
  { firstByteMs, attemptMs }: Timeouts,
  ageMs: number,
  handedMs = ageMs,
): number | undefined {
  if (isBroken(firstByteMs, handedMs)) return firstByteMs;
  return isBroken(attemptMs, ageMs) ? attemptMs : undefined;
}

/** The broken limit of one that has, up to its commit point. Nothing came for `silentMs`. */
export function limitBeforeCommit(
  { firstTokenMs, idleMs, attemptMs }: Timeouts,
  ageMs: number,
  silentMs: number,
  awaitsToken: boolean,
): number | undefined {
  if (awaitsToken && isBroken(firstTokenMs, ageMs)) return firstTokenMs;
  if (isBroken(idleMs, silentMs)) return idleMs;
  return isBroken(attemptMs, ageMs) ? attemptMs : undefined;
}

/** How an attempt counts that was ended before its commit point: a backend that was never asked did not fail. */
export function blameFor(cause: UpstreamFailure | undefined): NonNullable<Attempt["outcome"]> {
  if (!cause) return "cancelled";
  return cause.kind === "queued" ? "rejected" : "upstream_error";
}
