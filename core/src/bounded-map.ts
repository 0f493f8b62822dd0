interface Entry<K, V> {
  readonly key: K;
  readonly value: V;
  older: Entry<K, V> | undefined;
  newer: Entry<K, V> | undefined;
}

/**
 * A map that holds at most `maxEntries`: one more, and the entry goes that was set longest ago. Getting moves nothing;
 * whoever wants the least recently used one to go sets again what was used.
 *
 * Entries know their neighbours, since the first key of a Map is slow to find: it looks over the places of all that
 * were deleted before it. With 10,000 entries, each stranger of a flood would cost 20 µs in place of 1.
 */
export class BoundedMap<K, V> {
  readonly #maxEntries: number;
  readonly #entries = new Map<K, Entry<K, V>>();
  #oldest: Entry<K, V> | undefined;
  #newest: Entry<K, V> | undefined;

  /** `maxEntries` from 1. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Makes it the newest, known before or not. */
  set(key: K, value: V): void {
    if (!this.delete(key) && this.#entries.size >= this.#maxEntries) this.delete(this.#oldest!.key);
    const entry: Entry<K, V> = { key, value, older: this.#newest, newer: undefined };
    if (this.#newest) this.#newest.newer = entry;
    else this.#oldest = entry;
    this.#newest = entry;
    this.#entries.set(key, entry);
  }

  /** Says whether it was there. */
  delete(key: K): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    return true;
  }
}
