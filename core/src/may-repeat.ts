import type { UpstreamFailure } from "./errors.ts";
import { isQuotaSpent } from "./quota-spent.ts";

/** Statuses that promise better luck, elsewhere or later. */
const PROMISING: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 529]);

export interface FailedCall {
  readonly failure: UpstreamFailure;
  /** Status of the response headers, where they came. */
  readonly status: number | undefined;
  /** The operation may be repeated. */
  readonly replaySafe: boolean;
  /** An event stream was asked for; it has not begun, else it would be no failure of the attempt. */
  readonly stream: boolean;
}

/**
 * The backend refused the gateway's credential, or the account behind it is used up: the call did nothing, and every other
 * to this backend is in vain.
 */
export function isAccountRefused({ failure, status }: Pick<FailedCall, "failure" | "status">): boolean {
  if (!failure.sent) return false;
  return status === 401 || status === 403 || isQuotaSpent({ status, code: failure.code });
}

/**
 * Judges by what the backend may have done. A call that never got there did nothing; any other is repeated only where
 * the operation says that this is safe (RFC 9110, section 9.2.2), and after response headers only for statuses that
 * promise better luck and for streams that have not begun.
 */
export function mayRepeat({ failure, status, replaySafe, stream }: FailedCall): boolean {
  if (!failure.sent) return true;
  if (!replaySafe) return false;
  if (status === undefined) return true;
  return failure.kind === "status" || status >= 300 ? PROMISING.has(status) : stream;
}
