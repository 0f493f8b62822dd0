import type { HedgeBudgetOptions } from "./options.ts";

/** Shares are counted in whole millionths, which add up without an error. */
const TOKEN = 1_000_000;

/**
 * A token bucket filled by requests, not by time: after n requests at most `burst + share × n` hedges went out, so a
 * slow backend cannot have its load doubled. It starts full.
 */
export class HedgeBudget {
  readonly #deposit: number;
  readonly #capacity: number;
  #tokens: number;

  constructor({ share, burst }: HedgeBudgetOptions) {
    this.#deposit = Math.round(share * TOKEN);
    this.#capacity = burst * TOKEN;
    this.#tokens = this.#capacity;
  }

  /** A request came. */
  deposit(): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + this.#deposit);
  }

  /** Takes a hedge, if one is left. */
  withdraw(): boolean {
    if (this.#tokens < TOKEN) return false;
    this.#tokens -= TOKEN;
    return true;
  }
}
