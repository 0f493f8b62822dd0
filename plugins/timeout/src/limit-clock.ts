import type { Context } from "gatewright";

/**
 * A time limit that stands still while the client is waited for: what it takes for its upload is laid to nobody behind
 * it. Nothing tells when an upload goes on, so the limit is looked at when it would be over, and put off by what it
 * stood still.
 */
export class LimitClock {
  readonly #ctx: Pick<Context, "uploadWaitMs">;
  readonly #onBroken: () => void;
  #timer: NodeJS.Timeout;
  /** Upload time that the timer makes up for. */
  #grantedMs: number;

  constructor(ctx: Pick<Context, "uploadWaitMs">, limitMs: number, onBroken: () => void) {
    this.#ctx = ctx;
    this.#onBroken = onBroken;
    this.#grantedMs = ctx.uploadWaitMs();
    this.#timer = setTimeout(this.#look, limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  readonly #look = (): void => {
    const waitedMs = this.#ctx.uploadWaitMs();
    const leftMs = waitedMs - this.#grantedMs;
    if (leftMs <= 0) {
      this.#onBroken();
      return;
    }
    this.#grantedMs = waitedMs;
    this.#timer = setTimeout(this.#look, leftMs);
  };
}
