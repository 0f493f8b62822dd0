import type { UpstreamFailure } from "gatewright";

/** Where a failed call may be tried again: at any target, at other backends only, or nowhere. */
export type RetryScope = "anywhere" | "elsewhere" | "nowhere";

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 529]);

/**
 * Judges a failure by what the backend may have done. A call that never got there, or was refused for its credential,
 * did nothing. Any other is repeated only where the operation says that this is safe (RFC 9110, section 9.2.2), and
 * after response headers only for statuses that promise better luck and for streams that have not begun.
 */
export function retryScope(failure: UpstreamFailure, replaySafe: boolean, stream: boolean): RetryScope {
  const { kind, sent, status } = failure;
  if (!sent) return "anywhere";
  if (status === 401 || status === 403) return "elsewhere";
  if (!replaySafe) return "nowhere";
  if (status === undefined) return "anywhere";
  if (kind === "status" || status >= 400) return RETRYABLE_STATUSES.has(status) ? "anywhere" : "nowhere";
  return stream ? "anywhere" : "nowhere";
}
