import { StartRefused } from "./server/start-refused.ts";

/**
 * Waits for what code of the user's has promised, which may never come. `what` names it, to be told: "the setup of …".
 * Rejects with `StartRefused` where it gives up.
 */
export type Wait = <T>(promised: PromiseLike<T> | T, what: string) => Promise<T>;

/** What code of a config may take before that is told, or given up, in milliseconds. */
export const SETTLE_MS = 10_000;

/** As long as it takes. */
export const patiently: Wait = async (promised) => promised;

/** Gives up after `limitMs`, and when `signal` says that nobody wants it any more. */
export function within(limitMs: number, signal?: AbortSignal): Wait {
  return (promised, what) =>
    unless(promised, (giveUp) => {
      const late = (): void => giveUp(`${what} has not settled within ${limitMs / 1000} s`);
      const unwanted = (): void => giveUp(`${what} is not waited for any more`);
      if (signal?.aborted) unwanted();
      signal?.addEventListener("abort", unwanted);
      const timer = setTimeout(late, limitMs);
      return () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", unwanted);
      };
    });
}

/**
 * As long as it may come: after `afterMs` it tells what it waits for. Gives up when the process has nothing left to do,
 * since nothing could settle it then, and Node would end with code 13 and without a word.
 */
export function tellingAfter(afterMs: number, tell: (sentence: string) => void): Wait {
  return (promised, what) =>
    unless(promised, (giveUp) => {
      const idle = (): void => giveUp(`${what} has not settled, and nothing is left that could settle it`);
      const late = (): void => tell(`Waiting for ${what}, ${afterMs / 1000} s so far`);
      process.once("beforeExit", idle);
      const timer = setTimeout(late, afterMs).unref();
      return () => {
        clearTimeout(timer);
        process.off("beforeExit", idle);
      };
    });
}

/** Settles as `promised` does, unless it is given up before. `arm` returns what ends its watch. */
function unless<T>(
  promised: PromiseLike<T> | T,
  arm: (giveUp: (reason: string) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const disarm = arm((reason) => reject(new StartRefused(reason)));
    void Promise.resolve(promised).then(resolve, reject).finally(disarm);
  });
}
