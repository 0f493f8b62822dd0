/** Samples older than this say nothing any more. */
const WINDOW_MS = 300_000;
/** Of more, the latest: a target that changes is found out after half as many answers. */
const MAX_SAMPLES = 25;

interface Sample {
  readonly atMs: number;
  readonly ms: number;
  readonly failed: boolean;
}

/** The last answers and failures of a target, oldest first. Plain data. */
export interface RecentSamples {
  samples: Sample[];
  /** Of the samples, while none comes or goes. */
  median?: number;
}

export function createSamples(): RecentSamples {
  return { samples: [] };
}

export function addSample(recent: RecentSamples, sample: Sample): void {
  recent.samples.push(sample);
  if (recent.samples.length > MAX_SAMPLES) recent.samples.shift();
  recent.median = undefined;
}

/** Median in milliseconds; undefined when there is no recent sample. Of an even number: the lower of the two. */
export function medianOf(recent: RecentSamples, nowMs: number): number | undefined {
  expire(recent, nowMs);
  const { samples } = recent;
  if (samples.length === 0) return undefined;
  return (recent.median ??= samples.map(({ ms }) => ms).sort((left, right) => left - right)[
    (samples.length - 1) >> 1
  ]);
}

/** Share of failures; 0 when there is no recent sample. */
export function failureRateOf(recent: RecentSamples, nowMs: number): number {
  expire(recent, nowMs);
  const { samples } = recent;
  if (samples.length === 0) return 0;
  return samples.filter(({ failed }) => failed).length / samples.length;
}

function expire(recent: RecentSamples, nowMs: number): void {
  const { samples } = recent;
  if (samples.length === 0 || samples[0]!.atMs > nowMs - WINDOW_MS) return;
  recent.samples = samples.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
  recent.median = undefined;
}
