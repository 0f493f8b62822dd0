import type { Target } from "gatewright";

/** A target with the probability of its share of the weight. `random` is in [0, 1). Undefined when none has weight. */
export function pickWeighted(candidates: readonly Target[], random: number): Target | undefined {
  let total = 0;
  for (const target of candidates) total += target.weight;
  let left = random * total;
  let last: Target | undefined;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    if (left < target.weight) return target;
    left -= target.weight;
    last = target;
  }
  // Rounding may leave a crumb of `left` behind the last target.
  return last;
}
