import { isAccountRefused, mayRepeat } from "gatewright";
import type { FailedCall } from "gatewright";

/** Where a failed call may be tried again: at any target, at other backends only, or nowhere. */
export type RetryScope = "anywhere" | "elsewhere" | "nowhere";

export function retryScope(call: FailedCall): RetryScope {
  if (isAccountRefused(call)) return "elsewhere";
  return mayRepeat(call) ? "anywhere" : "nowhere";
}
