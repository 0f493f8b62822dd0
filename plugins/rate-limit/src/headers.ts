import { toRetryAfter } from "gatewright";
import type { Decision } from "./decision.ts";
import type { Unit } from "./limit.ts";

/** Name and value, as `ctx.setReplyHeader` takes them. */
export type SetHeader = (name: string, value: string) => void;

/** Made once: a name put together for each reply would cost more than its value. */
const NAMES = (["requests", "tokens"] as const).map((unit) => ({
  unit,
  limit: `x-ratelimit-limit-${unit}`,
  remaining: `x-ratelimit-remaining-${unit}`,
  reset: `x-ratelimit-reset-${unit}`,
}));

/**
 * The headers of every limited reply: OpenAI's of each unit, and `X-RateLimit-*` (Unix seconds) of requests. Of
 * several limits the tightest speaks: the one with the least left.
 */
export function setLimitHeaders(decisions: readonly Decision[], set: SetHeader): void {
  for (const names of NAMES) {
    const tightest = tightestOf(decisions, names.unit);
    if (tightest === undefined) continue;
    set(names.limit, String(tightest.limit));
    set(names.remaining, String(tightest.remaining));
    set(names.reset, durationText(tightest.resetMs));
    if (names.unit !== "requests") continue;
    set("x-ratelimit-limit", String(tightest.limit));
    set("x-ratelimit-remaining", String(tightest.remaining));
    set("x-ratelimit-reset", String(Math.ceil(tightest.resetAtMs / 1_000)));
  }
}

/** `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10: all limits, by name. */
export function setStandardHeaders(decisions: readonly Decision[], set: SetHeader): void {
  const policies = decisions.map(
    ({ name, limit, windowSeconds }) => `"${name}";q=${limit};w=${windowSeconds}`,
  );
  const states = decisions.map(
    ({ name, remaining, resetMs }) => `"${name}";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`,
  );
  set("ratelimit-policy", policies.join(", "));
  set("ratelimit", states.join(", "));
}

/** `retry-after` in whole seconds, at least 1, and the same to the millisecond. */
export function retryHeaders(waitMs: number): Record<string, string> {
  return {
    "retry-after": toRetryAfter(waitMs),
    "retry-after-ms": String(Math.max(1, waitMs)),
  };
}

function tightestOf(decisions: readonly Decision[], unit: Unit): Decision | undefined {
  let tightest: Decision | undefined;
  for (const decision of decisions) {
    if (decision.unit !== unit) continue;
    if (tightest === undefined || isTighter(decision, tightest)) tightest = decision;
  }
  return tightest;
}

function isTighter(decision: Decision, than: Decision): boolean {
  if (decision.remaining !== than.remaining) return decision.remaining < than.remaining;
  return decision.resetMs > than.resetMs;
}

/** As OpenAI writes durations: `12ms`, `1s`, `6m0s`, `1h0m0.5s`. Whole milliseconds come in. */
export function durationText(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${(ms % 60_000) / 1_000}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}
