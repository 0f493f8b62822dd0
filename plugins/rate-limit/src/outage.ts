import type { Logger } from "gatewright";

/** A store at the edge of its time-out comes and goes many times a second: the log tells it this often. */
const LOG_EVERY_MS = 10_000;

/** Tells the log when limits are no longer counted by the store, and when they are again. */
export class Outage {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #meanwhile: string;
  #told = false;
  #lastToldMs = -Infinity;

  constructor(host: { readonly log: Logger; now(): number }, meanwhile: string) {
    this.#log = host.log;
    this.#now = () => host.now();
    this.#meanwhile = meanwhile;
  }

  failed(error: Error): void {
    if (this.#told || this.#now() - this.#lastToldMs < LOG_EVERY_MS) return;
    this.#told = true;
    this.#lastToldMs = this.#now();
    this.#log.warn(`rateLimit: the store cannot be used; ${this.#meanwhile}`, { error: error.message });
  }

  answered(): void {
    if (!this.#told) return;
    this.#told = false;
    this.#log.info("rateLimit: the store counts again");
  }
}
