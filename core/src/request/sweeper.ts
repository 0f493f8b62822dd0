import type { GatewayError } from "../errors.ts";

/** Something whose time limits are looked at from time to time. */
export interface Expirable {
  /** `nowMs` is `performance.now()`. */
  expire(nowMs: number): void;
  abort(reason: GatewayError): void;
}

/** How late a time limit may be noticed, in milliseconds. */
const SWEEP_MS = 50;

/**
 * One timer for the time limits of every running request. A timer of its own for each limit of each request would
 * cost more than the rest of the way; a limit noticed 50 ms late costs nobody anything.
 */
export class Sweeper {
  readonly #entries = new Set<Expirable>();
  #timer: NodeJS.Timeout | undefined;

  add(entry: Expirable): void {
    this.#entries.add(entry);
    this.#timer ??= setInterval(this.#sweep, SWEEP_MS).unref();
  }

  remove(entry: Expirable): void {
    this.#entries.delete(entry);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What runs now. */
  entries(): Expirable[] {
    return [...this.#entries];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#entries.clear();
  }

  readonly #sweep = (): void => {
    const now = performance.now();
    for (const entry of this.#entries) entry.expire(now);
  };
}
