/** A wait as `Retry-After` tells it (RFC 9110, section 10.2.3): whole seconds, never too few, and never none. */
export function toRetryAfter(waitMs: number): string {
  return String(Math.max(1, Math.ceil(waitMs / 1_000)));
}
