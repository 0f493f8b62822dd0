import { median } from "../statistics.ts";

/** Whether a series of samples grows. */
export interface Flatness {
  readonly median: number;
  /** What the fitted line gains from the first sample to the last, as a share of the median. */
  readonly growth: number;
  /** The largest sample as a multiple of the median. */
  readonly peak: number;
}

/** Samples at even distances, at least two; the line is that of least squares. */
export function flatnessOf(samples: readonly number[]): Flatness {
  const middle = median(samples);
  const meanAt = (samples.length - 1) / 2;
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  let products = 0;
  let squares = 0;
  for (const [at, value] of samples.entries()) {
    products += (at - meanAt) * (value - mean);
    squares += (at - meanAt) ** 2;
  }
  return {
    median: middle,
    growth: ((products / squares) * (samples.length - 1)) / middle,
    peak: Math.max(...samples) / middle,
  };
}
