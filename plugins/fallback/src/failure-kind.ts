import { isQuotaSpent } from "gatewright";
import type { GatewayError } from "gatewright";

/** Why a request failed, as far as it decides where it may go. */
export type FailureKind = "availability" | "quota" | "contextWindow" | "contentPolicy";

/** The gateway has no target for the model, or ran out of the time it had for one. */
const UNAVAILABLE: ReadonlySet<string> = new Set([
  "no_nodes",
  "no_available_instances",
  "circuit_breaker_open",
  "timeout",
]);

/** Error codes of providers, in lower case, as far as they name their reason there. */
const CODES: ReadonlyMap<string, FailureKind> = new Map([
  ["context_length_exceeded", "contextWindow"],
  ["exceed_context_size_error", "contextWindow"],
  ["model_context_window_exceeded", "contextWindow"],
  ["content_filter", "contentPolicy"],
  ["content_filtered", "contentPolicy"],
  ["content_policy_violation", "contentPolicy"],
  ["data_inspection_failed", "contentPolicy"],
  ["moderation_blocked", "contentPolicy"],
  ["responsibleaipolicyviolation", "contentPolicy"],
]);

/** Where a provider has one code for all bad requests, the message tells. */
const CONTEXT_WINDOW =
  /context (?:length|window|size|limit)|(?:prompt|input|request) is too long|exceeds? the maximum number of tokens|too many (?:input )?tokens/i;
const CONTENT_POLICY = /content (?:management )?policy|content[ _]filter|safety (?:system|policy|filter)/i;

const TOO_LARGE: ReadonlySet<number> = new Set([400, 413, 422]);

/** `undefined` for what no other place can mend, or must not: the client's own faults, and refusals of the gateway. */
export function failureKind(error: GatewayError): FailureKind | undefined {
  const { upstream, status } = error;
  if (!upstream) return UNAVAILABLE.has(error.code) ? "availability" : undefined;
  if (isQuotaSpent(upstream) || isQuotaSpent({ code: error.type })) return "quota";
  const named = CODES.get((upstream.code ?? "").toLowerCase()) ?? CODES.get(error.type.toLowerCase());
  if (named) return named;
  if (status === 429 || status >= 500) return "availability";
  if (!TOO_LARGE.has(status)) return undefined;
  if (CONTEXT_WINDOW.test(error.message)) return "contextWindow";
  return CONTENT_POLICY.test(error.message) ? "contentPolicy" : undefined;
}
