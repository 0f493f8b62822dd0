import type { AtomicRecord } from "gatewright";

/** The numbers of one limit; what they mean is the algorithm's own. */
export type Numbers = readonly [number, number, number];

/**
 * How one limit counts. Pure: time (whole microseconds) and state come in as arguments. A state that `advance` made is
 * the caller's own, and `take` and `correct` change it in place. Amounts are whole units.
 *
 * `lua` is an expression for a table with the same functions, which decide the same in Redis.
 */
export interface Algorithm<S extends AtomicRecord> {
  /** The most that can ever fit at once. */
  most(numbers: Numbers): number;
  /** The state as it is now, what time has given back being given. */
  advance(state: S | undefined, numbers: Numbers, nowUs: number): S;
  /** Until `cost` fits, which must not be above `most`; 0: it fits now. */
  waitUs(state: S, numbers: Numbers, cost: number, nowUs: number): number;
  take(state: S, numbers: Numbers, cost: number, nowUs: number): void;
  /** `delta` more (or less) was used than was taken at `takenAtUs`. More than there is leaves a debt. */
  correct(state: S, numbers: Numbers, delta: number, takenAtUs: number, nowUs: number): void;
  /** What fits now; never below 0. */
  remaining(state: S, numbers: Numbers, nowUs: number): number;
  /** Until all of it is there again. */
  resetUs(state: S, numbers: Numbers, nowUs: number): number;
  /** After so long without a call the state is worth nothing. */
  ttlMs(state: S, numbers: Numbers, nowUs: number): number;
  readonly lua: string;
}

/** Added to every time to live, since stores round theirs. */
export const TTL_MARGIN_MS = 1_000;
