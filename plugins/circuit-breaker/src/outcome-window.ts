/** Counts of one slice of time. */
interface Bucket {
  /** Number of the slice since the clock began. */
  slice: number;
  total: number;
  failed: number;
  slow: number;
}

/** Plain data, so that it outlives the code that made it. */
export type OutcomeBuckets = Bucket[];

export interface OutcomeCounts {
  readonly total: number;
  readonly failed: number;
  readonly slow: number;
}

/** A sliding window in whole buckets: it forgets up to one bucket early. */
export interface WindowShape {
  readonly windowMs: number;
  readonly buckets: number;
}

export function addOutcome(
  buckets: OutcomeBuckets,
  { windowMs, buckets: count }: WindowShape,
  nowMs: number,
  { failed, slow = false }: { failed: boolean; slow?: boolean },
): void {
  const slice = Math.floor((nowMs * count) / windowMs);
  let bucket = buckets.at(-1);
  if (bucket?.slice !== slice) {
    if (buckets.length >= count) buckets.shift();
    bucket = { slice, total: 0, failed: 0, slow: 0 };
    buckets.push(bucket);
  }
  bucket.total++;
  if (failed) bucket.failed++;
  if (slow) bucket.slow++;
}

/** What the window holds now; buckets that it has left behind are dropped. */
export function countOutcomes(
  buckets: OutcomeBuckets,
  { windowMs, buckets: count }: WindowShape,
  nowMs: number,
): OutcomeCounts {
  const oldest = Math.floor((nowMs * count) / windowMs) - count + 1;
  while (buckets.length > 0 && buckets[0]!.slice < oldest) buckets.shift();
  const sum = { total: 0, failed: 0, slow: 0 };
  for (const { total, failed, slow } of buckets) {
    sum.total += total;
    sum.failed += failed;
    sum.slow += slow;
  }
  return sum;
}
