import type { Target } from "gatewright";
import type { LoadLimits } from "./hash-ring.ts";
import { murmur3 } from "./murmur3.ts";

/** A prime, large against any number of targets, as the paper has it. */
export const SLOTS = 65_537;

/**
 * Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): each target fills the slots in an order of its own, in
 * turns, by weight. Shares are more even than a ring's; when a target comes or goes, a few more keys than its own
 * move. The table follows from ids and weights alone, and is the same in every process.
 */
export class MaglevTable {
  readonly #owners: readonly Target[];
  /** Index of the owner of each slot. */
  readonly #slots: Uint16Array;

  constructor(targets: readonly Target[]) {
    this.#owners = targets
      .filter(({ weight }) => weight > 0)
      .sort((left, right) => (left.id < right.id ? -1 : 1));
    this.#slots = fillSlots(this.#owners);
  }

  /**
   * The owner of the key's slot. One that is no candidate is walked past, and so are those above their `limits`,
   * unless all are.
   */
  find(hash: number, candidates: readonly Target[], limits?: LoadLimits): Target | undefined {
    if (this.#owners.length === 0) return undefined;
    const start = hash % SLOTS;
    let home: Target | undefined;
    for (let step = 0; step < SLOTS; step++) {
      const owner = this.#owners[this.#slots[(start + step) % SLOTS]!]!;
      if (owner === home || !candidates.includes(owner)) continue;
      if (limits === undefined || limits.admits(owner)) return owner;
      home ??= owner;
    }
    // A weight too small for a slot.
    return home ?? candidates.find(({ weight }) => weight > 0);
  }
}

/** Above the index of any owner. */
const FREE = 65_535;

function fillSlots(owners: readonly Target[]): Uint16Array {
  const slots = new Uint16Array(SLOTS).fill(FREE);
  const heaviest = Math.max(...owners.map(({ weight }) => weight));
  const turns = owners.map(({ id, weight }) => ({
    next: murmur3(id, 1) % SLOTS,
    skip: (murmur3(id, 2) % (SLOTS - 1)) + 1,
    share: weight / heaviest,
    due: 0,
  }));
  let left = owners.length > 0 ? SLOTS : 0;
  while (left > 0) {
    for (let owner = 0; owner < turns.length && left > 0; owner++) {
      const turn = turns[owner]!;
      // The heaviest gets a slot in each round, the others in as many as their share.
      turn.due += turn.share;
      if (turn.due < 1) continue;
      turn.due -= 1;
      while (slots[turn.next] !== FREE) turn.next = (turn.next + turn.skip) % SLOTS;
      slots[turn.next] = owner;
      left--;
    }
  }
  return slots;
}
