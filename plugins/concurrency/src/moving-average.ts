/** Share of the newest sample. */
const ALPHA = 0.1;

/** Exponential moving average; undefined before the first sample. */
export class MovingAverage {
  #value: number | undefined;

  get value(): number | undefined {
    return this.#value;
  }

  add(sample: number): void {
    this.#value = this.#value === undefined ? sample : this.#value + ALPHA * (sample - this.#value);
  }
}
