import type { Target } from "gatewright";

/**
 * Smooth weighted round robin, as nginx has it: every target gains its weight, the one ahead is picked and pays the
 * total back. Picks repeat with a period of the total weight, so any run of that many picks gives each target its
 * weight exactly (whole weights), and a heavy target's turns are spread, not bunched. One pick is O(targets).
 */
export class SmoothRotation {
  readonly #targets: readonly Target[];
  readonly #credits: Float64Array;
  readonly #total: number;

  constructor(candidates: readonly Target[]) {
    this.#targets = candidates.filter((target) => target.weight > 0);
    this.#credits = new Float64Array(this.#targets.length);
    this.#total = this.#targets.reduce((sum, target) => sum + target.weight, 0);
  }

  /** Undefined when no target has weight. */
  next(): Target | undefined {
    const targets = this.#targets;
    const credits = this.#credits;
    if (targets.length === 0) return undefined;
    let ahead = 0;
    for (let index = 0; index < targets.length; index++) {
      credits[index]! += targets[index]!.weight;
      if (credits[index]! > credits[ahead]!) ahead = index;
    }
    credits[ahead]! -= this.#total;
    return targets[ahead];
  }
}
