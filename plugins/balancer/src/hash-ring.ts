import type { Target } from "gatewright";

/** Owners of points; the part of a sort key that a point leaves free within 2^53. */
const MAX_TARGETS = 2 ** 20;

/**
 * Where a target stands on the ring: unsigned 32-bit points that follow from its id and weight alone, so that the map
 * is the same in every process and a target's coming or going moves only its own keys.
 */
export type RingPoints = (target: Target) => Uint32Array;

/** Points in order, each with the target that owns the arc ending there. */
export class HashRing {
  readonly #points: Uint32Array;
  readonly #owners: readonly Target[];

  constructor(targets: readonly Target[], pointsOf: RingPoints) {
    // By id, so that of two targets on one point the same wins whatever the order of the config.
    const ordered = targets
      .filter((target) => target.weight > 0)
      .sort((left, right) => (left.id < right.id ? -1 : 1));
    const keys = sortKeys(ordered.map(pointsOf));
    const owners: Target[] = [];
    this.#points = new Uint32Array(keys.length);
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index]!;
      this.#points[index] = key / MAX_TARGETS;
      owners.push(ordered[key % MAX_TARGETS]!);
    }
    this.#owners = owners;
  }

  /**
   * The first candidate at or after `hash`. Targets of the ring that are no candidates are walked past, which gives
   * exactly the map of a ring without them. Those above their `limits` are too, unless all are.
   */
  find(hash: number, candidates: readonly Target[], limits?: LoadLimits): Target | undefined {
    const owners = this.#owners;
    const start = this.#firstAtOrAfter(hash);
    let home: Target | undefined;
    for (let step = 0; step < owners.length; step++) {
      const owner = owners[(start + step) % owners.length]!;
      if (owner === home || !candidates.includes(owner)) continue;
      if (limits === undefined || limits.admits(owner)) return owner;
      home ??= owner;
    }
    return home;
  }

  /** Index of the first point >= `hash`, past the end when there is none. */
  #firstAtOrAfter(hash: number): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#points[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** One number for each point, its owner's index in the lower digits: sorting numbers needs no comparing function. */
function sortKeys(pointLists: readonly Uint32Array[]): Float64Array {
  const keys = new Float64Array(pointLists.reduce((sum, points) => sum + points.length, 0));
  let end = 0;
  for (const [owner, points] of pointLists.entries()) {
    for (const point of points) keys[end++] = point * MAX_TARGETS + owner;
  }
  return keys.sort();
}

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2016): with one more attempt in flight no
 * target may hold more than `bound` times its share by weight, rounded up. As `bound` >= 1, one always has room.
 */
export class LoadLimits {
  readonly #perWeight: number;

  constructor(candidates: readonly Target[], bound: number) {
    let inFlight = 1;
    let weight = 0;
    for (const target of candidates) {
      if (target.weight === 0) continue;
      inFlight += target.inFlight;
      weight += target.weight;
    }
    this.#perWeight = (bound * inFlight) / weight;
  }

  admits(target: Target): boolean {
    return target.inFlight < Math.ceil(this.#perWeight * target.weight);
  }
}
