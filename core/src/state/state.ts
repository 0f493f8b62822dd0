import { brand } from "../brand.ts";

/** What an atomic operation keeps under one key: a flat record of numbers and strings. */
export type AtomicRecord = Record<string, number | string>;

/** What an atomic operation is called with, or answers. */
export type AtomicValues = readonly (number | string)[];

export interface AtomicStep<S extends AtomicRecord, R> {
  /** New state of each key, in the order of the keys; null removes the key. */
  states: readonly (S | null)[];
  result: R;
  /** How long each key is kept from now, in milliseconds, whole and above 0. */
  ttlMs: readonly number[];
}

/**
 * An operation that decides and records in one step, on one or more keys at once. Written twice: `reduce` runs in
 * memory and file state, `lua` does the same in Redis; one property suite holds them equal.
 */
export interface AtomicOp<S extends AtomicRecord, A extends AtomicValues, R extends AtomicValues> {
  readonly name: string;
  /** Pure. `nowUs` is whole microseconds since the epoch, of the store's own clock, and never goes back. */
  reduce(states: readonly (S | undefined)[], args: A, nowUs: number): AtomicStep<S, R>;
  /**
   * Body of a Lua function with `states` (array of tables, an empty table where absent), `args` (array; numbers stay
   * numbers) and `now_us`, returning `states` (false removes), `result` (array) and `ttl_ms` (array).
   */
  readonly lua: string;
  /** File state: acknowledge only after the change is on disk. Default false: it is flushed within `flushMs`. */
  readonly durable?: boolean;
}

export function defineAtomicOp<S extends AtomicRecord, A extends AtomicValues, R extends AtomicValues>(
  op: AtomicOp<S, A, R>,
): AtomicOp<S, A, R> {
  return brand("atomic-op", op);
}

/** Where plugins keep state: memory, a file or Redis, by config. Keys are prefixed by plugin. */
export interface State {
  readonly driver: "memory" | "file" | "redis";
  /** Several processes may share it exactly. */
  readonly shared: boolean;
  /** A stored document, or undefined when absent or expired. Throws `StateUnavailable` when the store is down. */
  get<T extends object>(key: string): Promise<T | undefined>;
  /** Resolves when the document is safe: in memory, on disk (fsync), or in Redis. */
  set(key: string, value: object, options?: { ttlMs?: number }): Promise<void>;
  remove(key: string): Promise<void>;
  /** Keys below a prefix. Not for the way of a request. */
  keys(prefix?: string): Promise<string[]>;
  /**
   * Runs an atomic operation. Memory and file answer without a promise, so that a caller may stay synchronous; Redis
   * answers in one round trip. Throws or rejects with `StateUnavailable`.
   */
  run<S extends AtomicRecord, A extends AtomicValues, R extends AtomicValues>(
    op: AtomicOp<S, A, R>,
    keys: readonly string[],
    args: A,
  ): R | Promise<R>;
  /** The same state under a longer prefix. */
  scoped(prefix: string): State;
}

/** The store cannot be reached, or did not answer in time. What happens then is each plugin's stated option. */
export class StateUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "StateUnavailable";
  }
}

/** By name, since two copies of core can meet. */
export function isStateUnavailable(error: unknown): error is StateUnavailable {
  return error instanceof Error && error.name === "StateUnavailable";
}
