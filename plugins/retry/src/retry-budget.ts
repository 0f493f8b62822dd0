import type { RetryBudgetOptions } from "./options.ts";

/** Deposits expire by slots, so up to a hundredth of `ttlMs` early. */
const SLOTS = 100;
/** Tokens are kept in thousandths: whole numbers add up without an error. */
const TOKEN = 1_000;

/**
 * Bounds the retries of one pool in proportion to its traffic. A first attempt deposits a part of a token, a retry
 * takes a whole one, oldest deposits first; what is not taken expires. Beside it a bucket of one second's floor
 * refills continuously. Time is monotonic milliseconds and comes in as an argument.
 */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #deposit: number;
  readonly #slotMs: number;
  readonly #slots = new Uint32Array(SLOTS);
  #slot = 0;
  #floor: number;
  #floorAt = 0;
  #retrying = 0;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
    this.#deposit = Math.round(options.ratio * TOKEN);
    this.#slotMs = options.ttlMs / SLOTS;
    this.#floor = options.minPerSecond;
  }

  /** A first attempt goes out. */
  deposit(nowMs: number): void {
    this.#advance(nowMs);
    this.#slots[this.#slot % SLOTS]! += this.#deposit;
  }

  /** Takes a retry, if one is left. */
  withdraw(nowMs: number): boolean {
    // The floor first: it refills whether used or not.
    return this.#withdrawFloor(nowMs) || this.#withdrawDeposits(nowMs);
  }

  /** A request begins to retry, unless too many do; `inFlight` attempts are running in the pool. */
  enter(inFlight: number): boolean {
    const { concurrentShare, minConcurrent } = this.#options;
    if (this.#retrying >= Math.max(minConcurrent, Math.floor(concurrentShare * inFlight))) return false;
    this.#retrying++;
    return true;
  }

  leave(): void {
    this.#retrying--;
  }

  #withdrawFloor(nowMs: number): boolean {
    const { minPerSecond } = this.#options;
    const refill = ((nowMs - this.#floorAt) * minPerSecond) / 1_000;
    this.#floor = Math.min(minPerSecond, this.#floor + refill);
    this.#floorAt = nowMs;
    if (this.#floor < 1) return false;
    this.#floor -= 1;
    return true;
  }

  #withdrawDeposits(nowMs: number): boolean {
    this.#advance(nowMs);
    const slots = this.#slots;
    if (slots.reduce((sum, tokens) => sum + tokens, 0) < TOKEN) return false;
    let owed = TOKEN;
    for (let slot = this.#slot + 1; owed > 0; slot++) {
      const taken = Math.min(owed, slots[slot % SLOTS]!);
      slots[slot % SLOTS]! -= taken;
      owed -= taken;
    }
    return true;
  }

  /** Empties the slots that time has passed since the last call. */
  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    const first = Math.max(this.#slot + 1, slot - SLOTS + 1);
    for (let passed = first; passed <= slot; passed++) this.#slots[passed % SLOTS] = 0;
    if (slot > this.#slot) this.#slot = slot;
  }
}
