import type { UpstreamFailure } from "./errors.ts";

/** Error codes and types of providers, in lower case, that say so. */
const WORDS: ReadonlySet<string> = new Set([
  "billing_error",
  "billing_hard_limit_reached",
  "billing_not_active",
  "insufficient_credits",
  "insufficient_quota",
  "quota_exceeded",
]);

/**
 * The account at the backend is used up, as its status 402 or its error code says: another call with the same credential
 * is in vain, whatever the wait (https://platform.openai.com/docs/guides/error-codes#api-errors).
 */
export function isQuotaSpent({ status, code }: Pick<UpstreamFailure, "status" | "code">): boolean {
  return status === 402 || (code !== undefined && WORDS.has(code.toLowerCase()));
}
