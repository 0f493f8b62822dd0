import type { Target } from "gatewright";

/** The candidates of the first group that has any with weight. Lower numbers go first; a backend without one has 0. */
export function firstGroup(
  candidates: readonly Target[],
  priorities: Readonly<Record<string, number>>,
): readonly Target[] {
  const groupOf = ({ backend }: Target): number =>
    Object.hasOwn(priorities, backend.name) ? priorities[backend.name]! : 0;
  let first = Infinity;
  for (const target of candidates) {
    if (target.weight > 0) first = Math.min(first, groupOf(target));
  }
  return candidates.filter((target) => groupOf(target) === first);
}
