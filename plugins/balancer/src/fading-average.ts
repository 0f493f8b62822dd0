/** Weight of the newest sample. */
const ALPHA = 0.2;
/** Without samples an average halves in this time, so that what was slow or failed once is tried again. */
const HALF_LIFE_MS = 10_000;

/** A moving average that fades while nothing comes in. Plain data. */
export interface FadingAverage {
  value: number;
  atMs: number;
}

export function createFadingAverage(): FadingAverage {
  return { value: 0, atMs: 0 };
}

/** 0 before the first sample: what is not known is worth a try. */
export function averageAt({ value, atMs }: FadingAverage, nowMs: number): number {
  return value === 0 ? 0 : value * 0.5 ** ((nowMs - atMs) / HALF_LIFE_MS);
}

export function addToAverage(average: FadingAverage, sample: number, nowMs: number): void {
  average.value = average.value === 0 ? sample : average.value + ALPHA * (sample - average.value);
  average.atMs = nowMs;
}
