import type { GatewayHost } from "gatewright";
import { settle } from "./claims.ts";

/** One request's claim on a key. */
export interface Held {
  readonly id: string;
  readonly owner: string;
}

/** Between two tries: longer than core leaves a store alone that did not answer in time. */
const PAUSE_MS = 1_500;
/** As many are remembered. A key beyond them, if it was taken, stays so until its claim runs out. */
const MAX_CLAIMS = 10_000;

/**
 * Claims under which nothing runs, and of which the store could not be told, or could not tell that it has them. Each is
 * given free as soon as the store answers: the client that tries again would be refused until its claim runs out.
 */
export class IdleClaims {
  readonly #gateway: GatewayHost;
  /** Outlives reloads. */
  readonly #claims: Set<Held>;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(gateway: GatewayHost) {
    this.#gateway = gateway;
    this.#claims = gateway.carry("idle claims", () => new Set<Held>());
    this.#schedule();
  }

  add(held: Held): void {
    if (this.#claims.size < MAX_CLAIMS) this.#claims.add(held);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed || this.#claims.size === 0) return;
    this.#timer ??= setTimeout(() => void this.#giveFree(), PAUSE_MS).unref();
  }

  async #giveFree(): Promise<void> {
    const { state, log } = this.#gateway;
    try {
      for (const held of this.#claims) {
        await state.run(settle, [held.id], [held.owner, "free", 1]);
        this.#claims.delete(held);
      }
    } catch (error) {
      log.debug("idempotency keys cannot be given free yet", { error: String(error) });
    }
    this.#timer = undefined;
    this.#schedule();
  }
}
