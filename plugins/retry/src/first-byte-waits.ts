import type { Attempt, Target } from "gatewright";

/** Weight of the newest sample in the moving average. */
const ALPHA = 0.2;
/** Expected of a target that has not answered yet. */
const UNKNOWN_MS = 1_000;

/** Moving average of each target's time to response headers: what one more attempt has to be given. */
export class FirstByteWaits {
  readonly #averages = new WeakMap<Target, { ms: number }>();

  record(attempt: Attempt | undefined): void {
    const sample = attempt?.timeToFirstByteMs;
    if (attempt === undefined || sample === undefined) return;
    const average = this.#averages.get(attempt.target);
    if (average === undefined) this.#averages.set(attempt.target, { ms: sample });
    else average.ms += ALPHA * (sample - average.ms);
  }

  /** Of the fastest of these, in milliseconds. */
  expectedMs(targets: readonly Target[]): number {
    return Math.min(...targets.map((target) => this.#averages.get(target)?.ms ?? UNKNOWN_MS));
  }
}
