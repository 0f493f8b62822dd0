import { BoundedMap } from "gatewright";
import type { AnswerStore } from "./answer-store.ts";
import type { StoredAnswer } from "./stored-answer.ts";

/** Answers in the memory of this process; of those beyond the bound the one unused for longest goes. */
export class MemoryStore implements AnswerStore {
  readonly now: () => number;
  /** Least recently used first. */
  readonly #answers: BoundedMap<string, StoredAnswer>;

  constructor(maxEntries: number, now: () => number) {
    this.#answers = new BoundedMap(maxEntries);
    this.now = now;
  }

  get(key: string): StoredAnswer | undefined {
    const answer = this.#answers.get(key);
    if (!answer) return undefined;
    if (this.now() >= answer.expiresAt) {
      this.#answers.delete(key);
      return undefined;
    }
    this.#answers.set(key, answer);
    return answer;
  }

  set(key: string, answer: StoredAnswer): void {
    this.#answers.set(key, answer);
  }
}
