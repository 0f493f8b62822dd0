import type { Target } from "gatewright";
import { pickLeastConnections } from "./least-connections.ts";

/**
 * The lowest median. One that is not measured goes first, one attempt at a time; with no median at all, the least
 * loaded.
 */
export function pickLeastLatency(
  candidates: readonly Target[],
  medianOf: (target: Target) => number | undefined,
): Target | undefined {
  let best: Target | undefined;
  let least = Infinity;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    const median = medianOf(target);
    if (median === undefined) {
      if (target.inFlight === 0) return target;
    } else if (median < least) {
      least = median;
      best = target;
    }
  }
  return best ?? pickLeastConnections(candidates);
}
