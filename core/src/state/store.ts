import type { Documents } from "./documents.ts";
import type { AtomicOp, AtomicRecord, AtomicValues, State } from "./state.ts";

/** What a driver gives: `create-state.ts` makes the prefixed `State` views of it. Keys are whole (prefix and key). */
export interface Store {
  readonly driver: State["driver"];
  readonly shared: boolean;
  readonly documents: Documents;
  run<S extends AtomicRecord, A extends AtomicValues, R extends AtomicValues>(
    op: AtomicOp<S, A, R>,
    prefix: string,
    keys: readonly string[],
    args: A,
  ): R | Promise<R>;
  status(): StateStatus;
  close(): Promise<void>;
}

export interface StateStatus {
  /** The store takes reads and writes at this moment, as far as is known. */
  readonly ok: boolean;
  /** Why not. Safe to show to an operator. */
  readonly reason?: string;
}
