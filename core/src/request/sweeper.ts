import type { GatewayError } from "../errors.ts";

/** Something whose time limits are looked at from time to time. */
export interface Expirable {
  /** `nowMs` is `performance.now()`. */
  expire(nowMs: number): void;
  abort(reason: GatewayError): void;
  /** Aborts, and is over at once, whoever still has a part in it. */
  terminate(reason: GatewayError): void;
  /** Neighbours in the sweeper's list; the sweeper's own. */
  previous: Expirable | undefined;
  next: Expirable | undefined;
}

/** How late a time limit may be noticed, in milliseconds. */
const SWEEP_MS = 50;

/**
 * One timer for the time limits of every running request. A timer of its own for each limit of each request would
 * cost more than the rest of the way; a limit noticed 50 ms late costs nobody anything. The requests are linked to one
 * another, so that coming and going allocates nothing.
 */
export class Sweeper {
  #first: Expirable | undefined;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;

  add(entry: Expirable): void {
    entry.next = this.#first;
    if (this.#first) this.#first.previous = entry;
    this.#first = entry;
    this.#size++;
    this.#timer ??= setInterval(this.#sweep, SWEEP_MS).unref();
  }

  /** Once for each entry that was added. */
  remove(entry: Expirable): void {
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    entry.previous = entry.next = undefined;
    this.#size--;
  }

  get size(): number {
    return this.#size;
  }

  /** What runs now. */
  entries(): Expirable[] {
    const entries: Expirable[] = [];
    for (let entry = this.#first; entry; entry = entry.next) entries.push(entry);
    return entries;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#first = undefined;
    this.#size = 0;
  }

  readonly #sweep = (): void => {
    const now = performance.now();
    // Looking at one may end it, and with it others: the list is walked as it was.
    for (const entry of this.entries()) entry.expire(now);
  };
}
