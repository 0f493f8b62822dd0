import { BoundedMap } from "gatewright";

/** Newest samples kept for each kind of request. */
const WINDOW = 500;
/** Kinds kept; then the oldest goes. Names under a vendor prefix are the client's to invent. */
const MAX_KINDS = 1_000;
/** New samples before a percentile is computed anew. */
const REFRESH = 10;

interface Samples {
  readonly ring: Float64Array;
  count: number;
  /** As of so many samples. */
  computedAt: number;
  percentileMs: number;
}

/** What requests of each kind took lately. Bounded: the newest 500 samples of 1,000 kinds. */
export class Latencies {
  readonly #kinds = new BoundedMap<string, Samples>(MAX_KINDS);
  readonly #percentile: number;
  readonly #minSamples: number;

  constructor(percentile: number, minSamples: number) {
    this.#percentile = percentile;
    this.#minSamples = minSamples;
  }

  record(kind: string, ms: number): void {
    const samples = this.#kinds.get(kind) ?? this.#add(kind);
    samples.ring[samples.count++ % WINDOW] = ms;
  }

  /** The percentile by nearest rank, up to nine samples old; `undefined` while there are too few. */
  percentileMs(kind: string): number | undefined {
    const samples = this.#kinds.get(kind);
    if (samples === undefined || samples.count < this.#minSamples) return undefined;
    if (samples.computedAt === 0 || samples.count - samples.computedAt >= REFRESH) {
      const sorted = samples.ring.slice(0, Math.min(samples.count, WINDOW)).sort();
      samples.percentileMs = sorted[Math.ceil((this.#percentile / 100) * sorted.length) - 1]!;
      samples.computedAt = samples.count;
    }
    return samples.percentileMs;
  }

  #add(kind: string): Samples {
    const samples = { ring: new Float64Array(WINDOW), count: 0, computedAt: 0, percentileMs: 0 };
    this.#kinds.set(kind, samples);
    return samples;
  }
}
