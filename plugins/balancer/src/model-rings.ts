import type { Target } from "gatewright";
import { HashRing } from "./hash-ring.ts";
import type { RingPoints } from "./hash-ring.ts";

/** Rings kept; then the oldest goes. A model with a single target needs none. */
const MAX_RINGS = 1_000;

interface ModelRing {
  readonly targets: ReadonlySet<Target>;
  readonly ring: HashRing;
  /** The last candidates found to stand on the ring. */
  covered: readonly Target[];
}

/**
 * A ring for each model, over all targets seen among its candidates. Building one takes some 0.4 ms for ten targets and
 * 40 ms for a thousand, so excluded targets stay on it and are walked past.
 */
export class ModelRings {
  readonly #rings = new Map<string, ModelRing>();
  readonly #pointsOf: RingPoints;

  constructor(pointsOf: RingPoints) {
    this.#pointsOf = pointsOf;
  }

  of(model: string, candidates: readonly Target[]): HashRing {
    const known = this.#rings.get(model);
    if (known?.covered === candidates) return known.ring;
    if (known !== undefined && candidates.every((target) => known.targets.has(target))) {
      known.covered = candidates;
      return known.ring;
    }
    if (known === undefined && this.#rings.size >= MAX_RINGS) {
      this.#rings.delete(this.#rings.keys().next().value!);
    }
    const targets = new Set([...(known?.targets ?? []), ...candidates]);
    const ring = new HashRing([...targets], this.#pointsOf);
    this.#rings.set(model, { targets, ring, covered: candidates });
    return ring;
  }
}
