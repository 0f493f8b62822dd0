import type { CheckResult, Probe } from "./probe.ts";

/** Each pause between two checks is longer by up to this share, so that many backends are not asked in step. */
const JITTER = 0.1;

export interface CheckerOptions {
  readonly intervalMs: number;
  random(): number;
  onResult(result: CheckResult): void;
}

/** Asks one backend again and again, until it is closed. The first time after a random part of the interval. */
export class Checker {
  readonly #probe: Probe;
  readonly #options: CheckerOptions;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(probe: Probe, options: CheckerOptions) {
    this.#probe = probe;
    this.#options = options;
    this.#schedule(options.intervalMs * options.random());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#probe.close();
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => void this.#check(), delayMs).unref();
  }

  async #check(): Promise<void> {
    // What a third party's adapter throws must not end the process, nor the checks.
    const result = await this.#probe.ask().catch((error: unknown) => toResult(error));
    if (this.#closed) return;
    this.#options.onResult(result);
    this.#schedule(this.#options.intervalMs * (1 + JITTER * this.#options.random()));
  }
}

/** By its name alone: a message might quote a header. */
function toResult(error: unknown): CheckResult {
  return { passed: false, cause: error instanceof Error ? error.name : "error" };
}
