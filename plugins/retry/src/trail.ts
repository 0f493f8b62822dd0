import type { Backend, Target } from "gatewright";

/** Where the next attempt of a request may go, and how long to wait before it. */
export interface Step {
  readonly candidates: readonly Target[];
  readonly delayMs: number;
}

/** What a request has tried so far. */
export class Trail {
  /** Tried targets, with the time before which they asked not to be called again. */
  readonly #readyAt = new Map<Target, number>();
  readonly #triedBackends = new Set<Backend>();
  readonly #barredBackends = new Set<Backend>();
  readonly #refused = new Set<Target>();

  /** An attempt failed. */
  failed(target: Target, readyAtMs: number): void {
    this.#readyAt.set(target, readyAtMs);
    this.#triedBackends.add(target.backend);
  }

  /** The target's backend refuses our credential, or its account is used up: none of its targets is called again. */
  bar(target: Target): void {
    this.#barredBackends.add(target.backend);
  }

  /** Layers below let none of these through. That was no attempt, but there is no use in asking again. */
  refuse(targets: readonly Target[]): void {
    for (const target of targets) this.#refused.add(target);
  }

  /**
   * Another backend at once; else, after `backoffMs`, another target; else one that was tried, never before the time
   * it asked for. Undefined when nothing is left.
   */
  next(candidates: readonly Target[], nowMs: number, backoffMs: number): Step | undefined {
    const left = candidates.filter(
      (target) =>
        target.weight > 0 && !this.#refused.has(target) && !this.#barredBackends.has(target.backend),
    );
    if (left.length === 0) return undefined;
    const untried = left.filter((target) => !this.#readyAt.has(target));
    const otherBackends = untried.filter((target) => !this.#triedBackends.has(target.backend));
    if (otherBackends.length > 0) return { candidates: otherBackends, delayMs: 0 };
    if (untried.length > 0) return { candidates: untried, delayMs: backoffMs };
    const readyIn = (target: Target): number => this.#readyAt.get(target)! - nowMs;
    const delayMs = Math.max(backoffMs, Math.min(...left.map(readyIn)));
    return { candidates: left.filter((target) => readyIn(target) <= delayMs), delayMs };
  }
}
