import { isQuotaSpent, mayRepeat } from "gatewright";
import type { FailedCall } from "gatewright";

/** Where a failed call may be tried again: at any target, at other backends only, or nowhere. */
export type RetryScope = "anywhere" | "elsewhere" | "nowhere";

/** A call that was refused for its credential, or an account that is used up, did nothing, and is in vain there. */
export function retryScope(call: FailedCall): RetryScope {
  const { failure, status } = call;
  const isRefused = status === 401 || status === 403 || isQuotaSpent({ status, code: failure.code });
  if (failure.sent && isRefused) return "elsewhere";
  return mayRepeat(call) ? "anywhere" : "nowhere";
}
