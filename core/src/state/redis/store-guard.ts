import type { Logger } from "../../log.ts";
import { StateUnavailable } from "../state.ts";

/** Passed to the work: once true, the caller has been told of a time-out and nothing more may be sent for it. */
export interface GuardedCall {
  timedOut: boolean;
}

/** How long calls are refused at once after one has timed out; then a single one is let through to try. */
const OPEN_MS = 1_000;
/** A store at the edge of the time-out comes and goes many times a second: the log tells it this often. */
const LOG_EVERY_MS = 10_000;

/**
 * Waits for a store that may be dead once, and not once a call: after a time-out all calls are refused for a second,
 * then one probes. An answer in time lets all calls through again; a late one, which shows that the store lives but not
 * how fast it is, lets the next one probe at once.
 */
export class StoreGuard {
  readonly #timeoutMs: number;
  readonly #log: Logger | undefined;
  /** Of `performance.now()`; 0 while calls pass. */
  #refuseUntilMs = 0;
  #probedMs = -Infinity;
  #lastLogMs = -Infinity;

  constructor(timeoutMs: number, log?: Logger) {
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  get isOpen(): boolean {
    return this.#refuseUntilMs > 0;
  }

  /** Rejects with what the work rejects with, or with `StateUnavailable`. */
  call<T>(work: (call: GuardedCall) => Promise<T>): Promise<T> {
    if (!this.#admits())
      return Promise.reject(
        new StateUnavailable("The state store does not answer; waiting before the next try"),
      );
    const call: GuardedCall = { timedOut: false };
    return new Promise((resolve, reject) => {
      const expire = () => {
        if (timer === undefined) return;
        call.timedOut = true;
        this.#trip();
        reject(new StateUnavailable(`The state store did not answer within ${this.#timeoutMs} ms`));
      };
      // After a stall of our own event loop timers run before sockets are read: the reply may be waiting there.
      let timer: NodeJS.Timeout | undefined = setTimeout(() => setImmediate(expire), this.#timeoutMs);
      const settle = () => {
        clearTimeout(timer);
        timer = undefined;
      };
      work(call).then(
        (value) => {
          settle();
          this.#note(call);
          resolve(value);
        },
        (error: Error) => {
          settle();
          if (error.name === "ReplyError") this.#note(call);
          reject(error);
        },
      );
    });
  }

  #note(call: GuardedCall): void {
    if (!call.timedOut) {
      this.answered();
      return;
    }
    // Late answers come in crowds: those that a probe is under way for are not to send another each.
    const nowMs = performance.now();
    if (this.#refuseUntilMs > nowMs && nowMs - this.#probedMs > this.#timeoutMs) this.#refuseUntilMs = nowMs;
  }

  /** The store has shown that it answers in time. */
  answered(): void {
    if (this.#refuseUntilMs === 0) return;
    this.#refuseUntilMs = 0;
    this.#log?.debug("The state store answers again");
  }

  #admits(): boolean {
    if (this.#refuseUntilMs === 0) return true;
    const nowMs = performance.now();
    if (nowMs < this.#refuseUntilMs) return false;
    this.#refuseUntilMs = nowMs + OPEN_MS;
    this.#probedMs = nowMs;
    return true;
  }

  #trip(): void {
    const nowMs = performance.now();
    this.#refuseUntilMs = nowMs + OPEN_MS;
    if (nowMs - this.#lastLogMs < LOG_EVERY_MS) return;
    this.#lastLogMs = nowMs;
    this.#log?.warn("The state store does not answer in time", { timeoutMs: this.#timeoutMs });
  }
}
