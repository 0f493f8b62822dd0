import type { Attempt } from "./attempt.ts";

/** What an attempt that is over says of its target. */
export type AttemptVerdict =
  | "success"
  /** Its 5xx, or what was seen at our side: no connection, time-out, reset, garbage, a stream that broke off. */
  | "failure"
  /** It refused the gateway's own credential: 401 or 403. */
  | "unauthorized"
  /** It asked to be called less: 429. */
  | "throttled"
  /** Nothing: the request was at fault (other 4xx), the client left, or the gateway gave the attempt up. */
  | "none";

/** Judges by the attempt's end, so that a stream which breaks off after its headers is a failure. */
export function judgeAttempt({ outcome, error }: Pick<Attempt, "outcome" | "error">): AttemptVerdict {
  if (outcome === "complete") return "success";
  if (outcome !== "truncated" && outcome !== "upstream_error") return "none";
  const failure = error?.upstream;
  if (failure === undefined) return "none";
  const isReported = failure.kind === "status" || failure.kind === "stream_error";
  if (!isReported) return "failure";
  const { status = 500 } = failure;
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 429) return "throttled";
  return status < 500 ? "none" : "failure";
}
