import type { Attempt } from "gatewright";

/** What an attempt that is over says of its backend. */
export type Verdict = "success" | "failure" | "auth_failed" | "none";

/**
 * Judges by the attempt's end. A failure is the backend's 5xx, or one that we saw at our side: no connection, time-out,
 * reset, garbage, a stream that broke off. Other 4xx, clients that leave and attempts that the gateway gave up say
 * nothing.
 */
export function verdictOf({ outcome, error }: Attempt): Verdict {
  if (outcome === "complete") return "success";
  if (outcome !== "truncated" && outcome !== "upstream_error") return "none";
  const failure = error?.upstream;
  if (failure === undefined) return "none";
  if (failure.kind !== "status" && failure.kind !== "stream_error") return "failure";
  const { status = 500 } = failure;
  if (status === 401 || status === 403) return "auth_failed";
  return status < 500 ? "none" : "failure";
}
