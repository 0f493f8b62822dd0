import type { Attempt } from "gatewright";

/** What an attempt that is over says of its target. */
export type Verdict = "success" | "failure" | "none";

/**
 * Judges by the attempt's end, so that a stream which breaks off after its headers is a failure. Nothing is said by
 * 4xx (the request may be at fault; 429 is back-pressure), by clients that leave, and by what the gateway itself gave up.
 */
export function verdictOf({ outcome, error }: Attempt): Verdict {
  if (outcome === "complete") return "success";
  if (outcome !== "truncated" && outcome !== "upstream_error") return "none";
  const failure = error?.upstream;
  if (failure === undefined) return "none";
  const isReported = failure.kind === "status" || failure.kind === "stream_error";
  return isReported && failure.status !== undefined && failure.status < 500 ? "none" : "failure";
}

/** How long the target asked not to be called again, in milliseconds: what a 429 came with. */
export function coolDownOf({ error }: Attempt): number | undefined {
  const failure = error?.upstream;
  return failure?.status === 429 ? failure.retryAfterMs : undefined;
}
