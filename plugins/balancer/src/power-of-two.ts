import type { Target } from "gatewright";
import { pickWeighted } from "./weighted-random.ts";

/**
 * The better of two candidates that are drawn by weight (Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", 2001): fewer attempts in flight per weight, then the lower average. Drawing keeps many gateways from
 * running after the same best target.
 */
export function pickPowerOfTwo(
  candidates: readonly Target[],
  random: () => number,
  averageOf: (target: Target) => number,
): Target | undefined {
  const first = pickWeighted(candidates, random());
  if (first === undefined) return undefined;
  const second = pickWeighted(
    candidates.filter((target) => target !== first),
    random(),
  );
  if (second === undefined) return first;
  // Cross-multiplied: a quotient of each would make equal loads differ by rounding.
  const difference = first.inFlight * second.weight - second.inFlight * first.weight;
  if (difference !== 0) return difference < 0 ? first : second;
  return averageOf(second) < averageOf(first) ? second : first;
}
