import type { Logger } from "./log.ts";

/** What is at the edge of its time-out comes and goes many times a second: the log is told of it this often at most. */
const TELL_EVERY_MS = 10_000;

/** What the log says, as a warning and as information. */
export interface OutageWords {
  readonly failed: string;
  readonly answered: string;
}

/** Tells the log that something a plugin leans on has failed, and that it answers again: each once, not once a call. */
export class OutageLog {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #words: OutageWords;
  #told = false;
  #lastToldMs = -Infinity;

  /** `now`: monotonic milliseconds, as `GatewayHost` has them. */
  constructor(host: { readonly log: Logger; now(): number }, words: OutageWords) {
    this.#log = host.log;
    this.#now = () => host.now();
    this.#words = words;
  }

  failed(error: unknown): void {
    if (this.#told || this.#now() - this.#lastToldMs < TELL_EVERY_MS) return;
    this.#told = true;
    this.#lastToldMs = this.#now();
    this.#log.warn(this.#words.failed, { error: String(error) });
  }

  /** Says nothing where no failure was told. */
  answered(): void {
    if (!this.#told) return;
    this.#told = false;
    this.#log.info(this.#words.answered);
  }
}
