import { BoundedMap } from "gatewright";
import type { Target } from "gatewright";

interface ModelMap<T> {
  readonly targets: ReadonlySet<Target>;
  readonly map: T;
  /** The last candidates found to be in the map. */
  covered: readonly Target[];
}

/**
 * A map from hashes to targets for each model, over all targets seen among its candidates. Building one takes
 * milliseconds, so excluded targets stay in it and are walked past. At most `most` are kept; then the oldest goes. A
 * model with a single target needs none.
 */
export class ModelMaps<T> {
  readonly #maps: BoundedMap<string, ModelMap<T>>;
  readonly #create: (targets: readonly Target[]) => T;

  constructor(create: (targets: readonly Target[]) => T, most: number) {
    this.#create = create;
    this.#maps = new BoundedMap(most);
  }

  of(model: string, candidates: readonly Target[]): T {
    const known = this.#maps.get(model);
    if (known?.covered === candidates) return known.map;
    if (known !== undefined && candidates.every((target) => known.targets.has(target))) {
      known.covered = candidates;
      return known.map;
    }
    const targets = new Set([...(known?.targets ?? []), ...candidates]);
    const map = this.#create([...targets]);
    this.#maps.set(model, { targets, map, covered: candidates });
    return map;
  }
}
