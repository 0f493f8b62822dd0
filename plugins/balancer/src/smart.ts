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
 * several. A trait that is the same for all does not count. A cost that is not known is taken for the highest.
 */
export function pickSmart(
  candidates: readonly Target[],
  traitsOf: (target: Target) => Traits,
  weights: Traits,
): Target | undefined {
  const usable = candidates.filter(({ weight }) => weight > 0);
  const traits = usable.map(traitsOf);
  const sums = usable.map(() => 0);
  for (const name of NAMES) {
    const highest = Math.max(0, ...traits.map((trait) => trait[name]).filter(Number.isFinite));
    const values = traits.map((trait) => Math.min(trait[name], highest));
    if (values.every((value) => value === highest)) continue;
    for (const [index, value] of values.entries()) sums[index]! += (weights[name] * value) / highest;
  }
  return usable[sums.indexOf(Math.min(...sums))];
}
