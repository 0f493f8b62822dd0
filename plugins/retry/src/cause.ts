import { isQuotaSpent } from "gatewright";
import type { UpstreamFailure } from "gatewright";

/** Where a failed call may be tried again: at any target, at other backends only, or nowhere. */
export type RetryScope = "anywhere" | "elsewhere" | "nowhere";

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 529]);

export interface RetryCause {
  readonly failure: UpstreamFailure;
  /** Status of the response headers, where they came. */
  readonly status: number | undefined;
  /** The operation may be repeated. */
  readonly replaySafe: boolean;
  /** An event stream was asked for; it has not begun, else it would be no failure of the attempt. */
  readonly stream: boolean;
}

/**
 * Judges a failure by what the backend may have done. A call that never got there, or was refused for its credential
 * or an account that is used up, did nothing. Any other is repeated only where the operation says that this is safe (RFC 9110, section 9.2.2), and
 * after response headers only for statuses that promise better luck and for streams that have not begun.
 */
export function retryScope({ failure, status, replaySafe, stream }: RetryCause): RetryScope {
  if (!failure.sent) return "anywhere";
  if (status === 401 || status === 403 || isQuotaSpent({ status, code: failure.code })) return "elsewhere";
  if (!replaySafe) return "nowhere";
  if (status === undefined) return "anywhere";
  if (failure.kind === "status" || status >= 300) {
    return RETRYABLE_STATUSES.has(status) ? "anywhere" : "nowhere";
  }
  return stream ? "anywhere" : "nowhere";
}
