import type { AnswerStore } from "./answer-store.ts";
import type { StoredAnswer } from "./stored-answer.ts";

/** Answers in the memory of this process; of those beyond the bound the one unused for longest goes. */
export class MemoryStore implements AnswerStore {
  readonly #maxEntries: number;
  readonly now: () => number;
  /** Least recently used first. */
  readonly #answers = new Map<string, StoredAnswer>();

  constructor(maxEntries: number, now: () => number) {
    this.#maxEntries = maxEntries;
    this.now = now;
  }

  get(key: string): StoredAnswer | undefined {
    const answer = this.#answers.get(key);
    if (!answer) return undefined;
    this.#answers.delete(key);
    if (this.now() >= answer.expiresAt) return undefined;
    this.#answers.set(key, answer);
    return answer;
  }

  set(key: string, answer: StoredAnswer): void {
    this.#answers.delete(key);
    if (this.#answers.size >= this.#maxEntries) this.#answers.delete(this.#answers.keys().next().value!);
    this.#answers.set(key, answer);
  }
}
