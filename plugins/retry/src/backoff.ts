/**
 * Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): uniform between 0 and the exponential step,
 * so that clients hit by one outage do not return together. `returns` counts earlier waits, `random` is in [0, 1).
 */
export function backoffMs(
  { baseDelayMs, maxDelayMs }: { baseDelayMs: number; maxDelayMs: number },
  returns: number,
  random: number,
): number {
  return random * Math.min(maxDelayMs, baseDelayMs * 2 ** returns);
}
