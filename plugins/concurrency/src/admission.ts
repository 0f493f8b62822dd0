import { GatewayError, toRetryAfter } from "gatewright";
import type { Context, Finished, Next, Reply } from "gatewright";
import { FairQueue } from "./fair-queue.ts";
import { MovingAverage } from "./moving-average.ts";
import type { QueueOptions } from "./options.ts";
import type { Slot, SlotPool } from "./slots.ts";
import { tenantOf } from "./tenant.ts";

/** How often a process in which somebody waits asks for a slot that another may have given back. */
const POLL_MS = 50;

/** Someone in the queue; called with the slot when the turn has come. */
type Grant = (slot: Slot) => void;

/** Lets requests in while there are slots, and has the others wait or go. */
export class Admission {
  readonly #pool: SlotPool;
  readonly #max: number;
  readonly #options: QueueOptions | undefined;
  readonly #now: () => number;
  readonly #queue = new FairQueue<Grant>();
  /** How long a slot is held. */
  readonly #holdMs = new MovingAverage();
  /** From the slot to the first byte of the answer, which is what a deadline has to leave room for. */
  readonly #serviceMs = new MovingAverage();
  #asking = false;
  #poll: NodeJS.Timeout | undefined;

  constructor(pool: SlotPool, max: number, queue: QueueOptions | undefined, now: () => number) {
    this.#pool = pool;
    this.#max = max;
    this.#options = queue;
    this.#now = now;
  }

  enter(ctx: Context, next: Next): Promise<Reply> {
    // Whoever waits was here before.
    if (this.#queue.size > 0) return this.#wait(ctx, next);
    const slot = this.#pool.take();
    if (slot instanceof Promise)
      return slot.then((slot) => (slot === undefined ? this.#wait(ctx, next) : this.#serve(ctx, next, slot)));
    return slot === undefined ? this.#wait(ctx, next) : this.#serve(ctx, next, slot);
  }

  close(): void {
    clearTimeout(this.#poll);
    this.#pool.close();
  }

  #serve(ctx: Context, next: Next, slot: Slot): Promise<Reply> {
    this.#releaseAtEnd(ctx, slot);
    return next();
  }

  /** The slot is given back after the last byte, or at once if the request is over already. */
  #releaseAtEnd(ctx: Context, slot: Slot, waitedMs = 0): void {
    ctx.onFinished((finished: Finished) => {
      this.#pool.give(slot);
      this.#holdMs.add(finished.durationMs - waitedMs);
      if (finished.timeToFirstTokenMs !== undefined)
        this.#serviceMs.add(finished.timeToFirstTokenMs - waitedMs);
      this.#next();
    });
  }

  #wait(ctx: Context, next: Next): Promise<Reply> {
    const options = this.#options;
    if (options === undefined)
      return Promise.reject(new GatewayError("overloaded", { headers: { "retry-after": "1" } }));
    const { signal } = ctx;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#queue.size >= options.maxEntries) return Promise.reject(this.#full(options));
    const waitMs = Math.min(options.maxWaitMs, ctx.remainingMs() - (this.#serviceMs.value ?? 0));
    if (waitMs <= 0) return Promise.reject(waitOver(0));

    const since = this.#now();
    const priority = options.priority?.(ctx) ?? 0;
    return new Promise<Reply>((resolve, reject) => {
      const leave = (reason: Error): void => {
        if (remove()) settle(() => reject(reason));
      };
      const onAbort = (): void => leave(signal.reason as Error);
      const timer = setTimeout(() => leave(waitOver(waitMs)), waitMs);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        how();
      };
      const grant: Grant = (slot) =>
        settle(() => {
          const waitedMs = this.#now() - since;
          this.#releaseAtEnd(ctx, slot, waitedMs);
          ctx.setReplyHeader("x-queue-status", "queued");
          ctx.setReplyHeader("x-queue-wait-ms", String(Math.round(waitedMs)));
          resolve(next());
        });
      const remove = this.#queue.push(grant, tenantOf(ctx), priority);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#askLater();
    });
  }

  /** Hands free slots to those whose turn it is. */
  #next(): void {
    while (this.#queue.size > 0 && !this.#asking) {
      const slot = this.#pool.take();
      if (slot instanceof Promise) {
        this.#ask(slot);
        return;
      }
      if (slot === undefined) return;
      this.#queue.shift()!(slot);
    }
  }

  #ask(answer: Promise<Slot | undefined>): void {
    this.#asking = true;
    void answer
      // The store is down and nothing may pass: those who wait go on waiting.
      .catch(() => undefined)
      .then((slot) => {
        this.#asking = false;
        if (slot === undefined) {
          this.#askLater();
          return;
        }
        const grant = this.#queue.shift();
        if (grant) grant(slot);
        else this.#pool.give(slot);
        this.#next();
      });
  }

  /** Slots of other processes come free without a word. */
  #askLater(): void {
    if (!this.#pool.shared || this.#queue.size === 0 || this.#poll !== undefined) return;
    this.#poll = setTimeout(() => {
      this.#poll = undefined;
      this.#next();
      this.#askLater();
    }, POLL_MS);
  }

  #full({ maxEntries }: QueueOptions): GatewayError {
    const waitMs = ((this.#queue.size + 1) * (this.#holdMs.value ?? 0)) / this.#max;
    const seconds = toRetryAfter(waitMs);
    return new GatewayError("rate_limit_exceeded", {
      status: 429,
      type: "rate_limit_exceeded",
      message: "Rate limit exceeded: the queue is full",
      details: { limit: maxEntries, remaining: 0, reset_at: new Date(Date.now() + waitMs).toISOString() },
      headers: { "retry-after": seconds, "x-estimated-wait": seconds },
    });
  }
}

function waitOver(waitMs: number): GatewayError {
  const seconds = Math.round(waitMs) / 1_000;
  return new GatewayError("timeout", {
    message: `Request timeout after ${seconds} ${seconds === 1 ? "second" : "seconds"} in the queue`,
  });
}
