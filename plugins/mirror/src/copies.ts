import { GatewayError } from "gatewright";
import type { AttemptScope, Next, Reply } from "gatewright";
import { resultOfError, resultOfReply } from "./comparison.ts";
import type { MirrorResult } from "./comparison.ts";
import { drain } from "./drain.ts";

export interface CopyLimits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** Copies at work. Each has a signal of its own, as nobody watches over a request that is over. */
export class Copies {
  readonly #limits: CopyLimits;
  readonly #now: () => number;
  readonly #running = new Set<AbortController>();

  constructor(limits: CopyLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Sends a copy, reads its answer to the end and says how it came out. Never rejects. */
  async send(next: Next, scope: AttemptScope): Promise<MirrorResult> {
    const { timeoutMs, maxBytes } = this.#limits;
    const controller = new AbortController();
    const timer = setTimeout(
      () =>
        controller.abort(new GatewayError("timeout", { message: `The copy took more than ${timeoutMs} ms` })),
      timeoutMs,
    );
    this.#running.add(controller);
    const startedAt = this.#now();
    let reply: Reply | undefined;
    try {
      reply = await next({ ...scope, signal: controller.signal });
      await drain(reply, maxBytes, controller.signal);
      return resultOfReply(reply, this.#now() - startedAt);
    } catch (error) {
      return resultOfError(error, this.#now() - startedAt, reply?.attempt);
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Gives up what runs: the gateway stops. */
  abort(): void {
    for (const controller of this.#running) controller.abort();
  }
}
