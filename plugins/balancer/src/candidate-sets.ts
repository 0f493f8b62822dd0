import { BoundedMap } from "gatewright";
import type { Target } from "gatewright";

/** Model names kept; names under a vendor prefix are the client's to invent. */
const MAX_MODELS = 1_000;
/** Candidate sets kept for one model: the full one and those that filters and retries leave. */
const MAX_SETS = 32;

interface Entry<T> {
  readonly candidates: readonly Target[];
  readonly value: T;
}

/**
 * One value for each model and set of candidates, made on first use. Sets are compared target by target, which for the
 * few sets of a model is cheaper than any key made of their names. When full, the oldest model goes, and of one model
 * the set unused for longest.
 */
export class CandidateSets<T> {
  readonly #models = new BoundedMap<string, Entry<T>[]>(MAX_MODELS);
  readonly #create: (candidates: readonly Target[]) => T;

  constructor(create: (candidates: readonly Target[]) => T) {
    this.#create = create;
  }

  of(model: string, candidates: readonly Target[]): T {
    const entries = this.#models.get(model) ?? this.#addModel(model);
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!;
      if (!isSameSet(entry.candidates, candidates)) continue;
      if (index > 0) entries.unshift(...entries.splice(index, 1));
      return entry.value;
    }
    if (entries.length >= MAX_SETS) entries.pop();
    const value = this.#create(candidates);
    entries.unshift({ candidates, value });
    return value;
  }

  #addModel(model: string): Entry<T>[] {
    const entries: Entry<T>[] = [];
    this.#models.set(model, entries);
    return entries;
  }
}

function isSameSet(left: readonly Target[], right: readonly Target[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}
