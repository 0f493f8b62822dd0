import type { Target } from "gatewright";

/** What is weighed, each 0 or more; lower is better. */
export interface Traits {
  /** Infinity: no price is known. */
  readonly cost: number;
  readonly latency: number;
  readonly errorRate: number;
}

const NAMES = ["cost", "latency", "errorRate"] as const satisfies readonly (keyof Traits)[];

/**
 * The lowest weighted sum of traits, each divided by the highest among the candidates; the first in list order of
 * several. Where all are equal a trait says nothing. A cost that is not known counts as the highest.
 */
export function pickSmart(
  candidates: readonly Target[],
  traitsOf: (target: Target) => Traits,
  weights: Traits,
): Target | undefined {
  const usable = candidates.filter(({ weight }) => weight > 0);
  const traits = usable.map(traitsOf);
  const scales = NAMES.map((name) => {
    const known = traits.map((trait) => trait[name]).filter(Number.isFinite);
    const highest = Math.max(0, ...known);
    const isTold = known.length < traits.length || known.some((value) => value !== highest);
    return { name, highest, weight: isTold ? weights[name] : 0 };
  });
  let best: Target | undefined;
  let least = Infinity;
  for (const [index, target] of usable.entries()) {
    let sum = 0;
    for (const { name, highest, weight } of scales) {
      const value = traits[index]![name];
      if (weight > 0)
        sum += weight * (Number.isFinite(value) && highest > 0 ? value / highest : Number(value > 0));
    }
    if (sum < least) {
      least = sum;
      best = target;
    }
  }
  return best;
}
