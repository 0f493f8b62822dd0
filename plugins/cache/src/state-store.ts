import { StateUnavailable } from "gatewright";
import type { State } from "gatewright";
import * as v from "valibot";
import type { AnswerStore } from "./answer-store.ts";
import { StoredAnswer } from "./stored-answer.ts";

/** A request waits no longer for the store. */
const PATIENCE_MS = 50;

/** Answers in the gateway's state. Processes share them, hence the clock of the wall. */
export class StateStore implements AnswerStore {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  now(): number {
    return Date.now();
  }

  async get(key: string): Promise<StoredAnswer | undefined> {
    const found = await inTime(this.#state.get(key));
    if (found === undefined) return undefined;
    const { success, output } = v.safeParse(StoredAnswer, found);
    return success && this.now() < output.expiresAt ? output : undefined;
  }

  async set(key: string, answer: StoredAnswer): Promise<void> {
    const ttlMs = Math.max(1, Math.ceil(answer.expiresAt - this.now()));
    await inTime(this.#state.set(key, answer, { ttlMs }));
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new StateUnavailable(`State took more than ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
