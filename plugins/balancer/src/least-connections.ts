import type { Target } from "gatewright";

/**
 * Lowest attempts in flight per weight, then fewest in flight, then the order of the list. Undefined when none has
 * weight.
 */
export function pickLeastConnections(candidates: readonly Target[]): Target | undefined {
  let best: Target | undefined;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    if (best === undefined || isLessLoaded(target, best)) best = target;
  }
  return best;
}

function isLessLoaded(target: Target, best: Target): boolean {
  // Cross-multiplied: a quotient of each would make equal loads differ by rounding.
  const difference = target.inFlight * best.weight - best.inFlight * target.weight;
  return difference < 0 || (difference === 0 && target.inFlight < best.inFlight);
}
