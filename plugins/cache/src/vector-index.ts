/** What is known of one text. */
interface Entry {
  readonly scope: string;
  /** Of length 1. */
  readonly vector: Float32Array;
}

export interface Neighbour {
  readonly key: string;
  /** Cosine of the angle between the two, from -1 to 1. */
  readonly similarity: number;
}

/**
 * Vectors of texts by the key of their answer, in scopes that do not see one another. A search compares all vectors of
 * one scope: exact, and for some thousands faster than any call. Of those beyond the bound the one unused for longest
 * goes.
 */
export class VectorIndex {
  readonly #maxVectors: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #scopes = new Map<string, Map<string, Entry>>();

  constructor(maxVectors: number) {
    this.#maxVectors = maxVectors;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(key: string, scope: string, vector: Float32Array): void {
    this.remove(key);
    if (this.#entries.size >= this.#maxVectors) this.remove(this.#entries.keys().next().value!);
    const entry: Entry = { scope, vector };
    this.#entries.set(key, entry);
    const members = this.#scopes.get(scope);
    if (members) members.set(key, entry);
    else this.#scopes.set(scope, new Map([[key, entry]]));
  }

  /** The most similar one of the scope, if it is similar enough. */
  nearest(scope: string, vector: Float32Array, threshold: number): Neighbour | undefined {
    let nearest: Neighbour | undefined;
    let most = threshold;
    for (const [key, entry] of this.#scopes.get(scope) ?? []) {
      const similarity = dot(entry.vector, vector);
      if (similarity < most || (similarity === most && nearest)) continue;
      most = similarity;
      nearest = { key, similarity };
    }
    return nearest;
  }

  /** It was of use. */
  touch(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    const members = this.#scopes.get(entry.scope)!;
    members.delete(key);
    if (members.size === 0) this.#scopes.delete(entry.scope);
  }
}

/** Of length 1, so that the product of two is the cosine between them. Undefined for what has no direction. */
export function toUnitVector(values: unknown): Float32Array | undefined {
  if (!Array.isArray(values) || !values.every((value) => Number.isFinite(value))) return undefined;
  const vector = Float32Array.from(values as number[]);
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  if (length === 0 || !Number.isFinite(length)) return undefined;
  for (let at = 0; at < vector.length; at++) vector[at]! /= length;
  return vector;
}

/** Vectors of different models do not compare. Four sums side by side: one would wait for itself at each step. */
function dot(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return -1;
  const whole = a.length & ~3;
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  for (let at = 0; at < whole; at += 4) {
    first += a[at]! * b[at]!;
    second += a[at + 1]! * b[at + 1]!;
    third += a[at + 2]! * b[at + 2]!;
    fourth += a[at + 3]! * b[at + 3]!;
  }
  for (let at = whole; at < a.length; at++) first += a[at]! * b[at]!;
  return first + second + third + fourth;
}
