export interface ExpiringEntry<V> {
  value: V;
  /** Microseconds since the epoch. */
  expiresAtUs: number;
  /** Found since the clock hand last passed. */
  used: boolean;
}

/** Most entries that one insertion looks at when the map is full, so that no insertion takes long. */
const EVICTION_STEPS = 16;

/**
 * A map with a bound and an expiry for each entry. When it is full, an insertion evicts by the CLOCK rule (Corbató,
 * 1968), an approximation of least recently used: the hand passes over entries used since its last visit and takes
 * the first that is not, or that has expired. Finding costs one look-up and moves nothing.
 */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, ExpiringEntry<V>>();
  readonly #maxKeys: number;
  // Iterators of a Map stay valid while it changes and meet what is added behind them.
  #hand = this.#entries.entries();
  #broom = this.#entries.entries();

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  /** Entries held, expired ones that were not swept yet included. */
  get size(): number {
    return this.#entries.size;
  }

  find(key: string, nowUs: number): ExpiringEntry<V> | undefined {
    const entry = this.peek(key, nowUs);
    if (entry !== undefined) entry.used = true;
    return entry;
  }

  /** Finds without counting as a use. */
  peek(key: string, nowUs: number): ExpiringEntry<V> | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || entry.expiresAtUs <= nowUs ? undefined : entry;
  }

  set(key: string, value: V, expiresAtUs: number, nowUs: number): void {
    if (this.#entries.size >= this.#maxKeys && !this.#entries.has(key)) this.#evictOne(nowUs);
    this.#entries.set(key, { value, expiresAtUs, used: false });
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  entries(): MapIterator<[string, ExpiringEntry<V>]> {
    return this.#entries.entries();
  }

  /** Looks at the next `count` entries and drops the expired ones. */
  sweep(nowUs: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const next = this.#broom.next();
      if (next.done) {
        this.#broom = this.#entries.entries();
        return;
      }
      const [key, entry] = next.value;
      if (entry.expiresAtUs <= nowUs) this.#entries.delete(key);
    }
  }

  #evictOne(nowUs: number): void {
    for (let step = 1; ; step++) {
      let next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#entries.entries();
        next = this.#hand.next();
      }
      if (next.done) return;
      const [key, entry] = next.value;
      if (!entry.used || entry.expiresAtUs <= nowUs || step === EVICTION_STEPS) {
        this.#entries.delete(key);
        return;
      }
      entry.used = false;
    }
  }
}

/** How long a whole sweep takes: an expired entry is gone at the latest after twice this. */
const SWEEP_SECONDS = 60;
const SWEEP_MIN = 100;

/** Sweeps a slice each second, off the way of any request. Does not keep the process alive. */
export function sweepRegularly(map: ExpiringMap<unknown>, clock: () => number): NodeJS.Timeout {
  const sweep = () => map.sweep(clock(), Math.max(SWEEP_MIN, Math.ceil(map.size / SWEEP_SECONDS)));
  return setInterval(sweep, 1_000).unref();
}
