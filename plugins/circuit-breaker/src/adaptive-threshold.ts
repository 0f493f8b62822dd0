import { addOutcome, countOutcomes } from "./outcome-window.ts";
import type { OutcomeBuckets } from "./outcome-window.ts";

const STEP_MS = 300_000;
/** The last 30 minutes, in steps. */
const WINDOW = { windowMs: 1_800_000, buckets: 6 };
const LEAST = 2;
const MOST = 20;

/** A threshold that follows how often its target fails. Plain data. */
export interface AdaptiveThreshold {
  /** Between two whole numbers: small changes add up. */
  value: number;
  /** Steps up to this one are done. */
  step: number;
  readonly buckets: OutcomeBuckets;
}

export function createAdaptiveThreshold(base: number, nowMs: number): AdaptiveThreshold {
  return { value: clamp(base), step: Math.floor(nowMs / STEP_MS), buckets: [] };
}

/** Takes an outcome in, after the steps that time has brought since the last one. */
export function adaptThreshold(threshold: AdaptiveThreshold, failed: boolean, nowMs: number): void {
  const step = Math.floor(nowMs / STEP_MS);
  // After the last outcome has left the window, further steps see nothing and change nothing.
  const last = Math.min(step, threshold.step + WINDOW.buckets);
  while (threshold.step < last) {
    threshold.step++;
    // As it was a moment before the step began: the window ends with the step before.
    const counts = countOutcomes(threshold.buckets, WINDOW, threshold.step * STEP_MS - 1);
    if (counts.total > 0) threshold.value = clamp(threshold.value * factorOf(counts.failed / counts.total));
  }
  threshold.step = step;
  addOutcome(threshold.buckets, WINDOW, nowMs, { failed });
}

function factorOf(failureRate: number): number {
  if (failureRate < 0.01) return 1.1;
  if (failureRate < 0.05) return 1;
  return failureRate < 0.1 ? 0.8 : 0.6;
}

function clamp(value: number): number {
  return Math.min(MOST, Math.max(LEAST, value));
}
