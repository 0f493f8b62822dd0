import type { StoredAnswer } from "./stored-answer.ts";

/** Where answers are kept, by the hex digest of their request. */
export interface AnswerStore {
  /** Milliseconds, on the clock of `storedAt` and `expiresAt`. */
  now(): number;
  /** An answer that has not expired. Rejects when the store cannot be reached in time. */
  get(key: string): StoredAnswer | undefined | Promise<StoredAnswer | undefined>;
  /** Settles when the answer can be found. */
  set(key: string, answer: StoredAnswer): void | Promise<void>;
}
