import type { Context } from "gatewright";
import type { StoredAnswer } from "./stored-answer.ts";

/** An answer, and how similar its own request is where it is not the same. */
export type FoundAnswer = StoredAnswer & { readonly similarity?: number };

/**
 * What comes of a flight for those who wait: the answer; `none`, when there is none to share; `left`, when its leader
 * went away, so that another may lead; `late`, when it took too long.
 */
export type Landing = FoundAnswer | "none" | "left" | "late";

/** One call for all requests that are alike while it runs. */
export class Flight {
  #landing: Landing | undefined;
  readonly #waiting = new Set<(landing: Landing) => void>();

  /** The first call counts. */
  land(landing: Landing): void {
    if (this.#landing !== undefined) return;
    this.#landing = landing;
    for (const wake of this.#waiting) wake(landing);
    this.#waiting.clear();
  }

  get landing(): Landing | undefined {
    return this.#landing;
  }

  /** Waits for the landing, at most so long. Throws the abort reason as soon as the waiting request is over. */
  wait({ signal }: Context, waitMs: number): Promise<Landing> {
    return new Promise((resolve, reject) => {
      if (this.#landing !== undefined) {
        resolve(this.#landing);
        return;
      }
      const stop = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", leave);
      };
      const wake = (landing: Landing): void => {
        stop();
        resolve(landing);
      };
      const leave = (): void => {
        stop();
        reject(signal.reason as Error);
      };
      const timer = waitMs === Infinity ? undefined : setTimeout(() => wake("late"), waitMs);
      if (signal.aborted) {
        leave();
        return;
      }
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(wake);
    });
  }
}

/** The flights of this process. There are never more of them than requests. */
export class Flights {
  readonly #running = new Map<string, Flight>();

  get(key: string): Flight | undefined {
    return this.#running.get(key);
  }

  start(key: string): Flight {
    const flight = new Flight();
    this.#running.set(key, flight);
    return flight;
  }

  /** Nobody joins it any more. */
  close(key: string, flight: Flight): void {
    if (this.#running.get(key) === flight) this.#running.delete(key);
  }
}
