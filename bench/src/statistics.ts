/** The nearest-rank percentile of sorted values; NaN of none. `share` is in (0, 1]. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

/** The middle value, or the mean of the two in the middle, in any order; NaN of none, or if one of them is NaN. */
export function median(values: readonly number[]): number {
  if (values.some(Number.isNaN)) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)]!;
  return sorted.length === 0 ? Number.NaN : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The median of `values[round] / base[round]`. Both were measured moments apart in each round, so that what else the
 * machine did in that round cancels out. NaN if there is no common round.
 */
export function medianRatio(values: readonly number[], base: readonly number[]): number {
  return medianOfRounds(values, base, (value, reference) => value / reference);
}

/** The median of `values[round] - base[round]`, for the same reason. */
export function medianDifference(values: readonly number[], base: readonly number[]): number {
  return medianOfRounds(values, base, (value, reference) => value - reference);
}

function medianOfRounds(
  values: readonly number[],
  base: readonly number[],
  compare: (value: number, reference: number) => number,
): number {
  const rounds = Math.min(values.length, base.length);
  return median(Array.from({ length: rounds }, (_, round) => compare(values[round]!, base[round]!)));
}
