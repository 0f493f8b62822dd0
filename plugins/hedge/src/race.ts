import { discardReply } from "gatewright";
import type { AttemptScope, Context, Next, Reply, Target } from "gatewright";

export interface RaceRules {
  readonly delayMs: number;
  /** Attempts beside the first one. */
  readonly maxExtra: number;
  /** Asked before each of them. */
  mayHedge(): boolean;
}

/**
 * One request on several ways at once. The first reply wins and all other ways are given up, which closes their
 * upstream connections. A way that fails leaves the others running; when all have failed, the first one's error counts.
 */
export class Race {
  readonly #ctx: Context;
  readonly #next: Next;
  readonly #rules: RaceRules;
  /** Attempts of the request before the race. */
  readonly #earlier: number;
  readonly #ways: AbortController[] = [];
  #running = 0;
  #over = false;
  #timer: NodeJS.Timeout | undefined;
  #firstError: unknown;
  #resolve!: (reply: Reply) => void;
  #reject!: (error: unknown) => void;

  constructor(ctx: Context, next: Next, rules: RaceRules) {
    this.#ctx = ctx;
    this.#next = next;
    this.#rules = rules;
    this.#earlier = ctx.attempts.length;
  }

  run(): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#send({ target: this.#ctx.target });
      this.#wait();
    });
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#hedge(), this.#rules.delayMs);
  }

  #hedge(): void {
    const candidates = this.#untried();
    if (candidates.length === 0 || this.#ctx.aborted || !this.#rules.mayHedge()) return;
    this.#send({ candidates });
    if (this.#ways.length <= this.#rules.maxExtra) this.#wait();
  }

  /** Targets without an attempt, on other backends if there are any. None while the first attempt still queues. */
  #untried(): readonly Target[] {
    const tried = this.#ctx.attempts.slice(this.#earlier).map(({ target }) => target);
    if (tried.length === 0) return [];
    const untried = this.#ctx.candidates.filter((target) => target.weight > 0 && !tried.includes(target));
    const elsewhere = untried.filter(({ backend }) => tried.every((target) => target.backend !== backend));
    return elsewhere.length > 0 ? elsewhere : untried;
  }

  #send(scope: AttemptScope): void {
    const controller = new AbortController();
    const way = this.#ways.push(controller) - 1;
    this.#running++;
    this.#next({ ...scope, signal: controller.signal }).then(
      (reply) => this.#answered(way, reply),
      (error: unknown) => this.#failed(way, error),
    );
  }

  #answered(way: number, reply: Reply): void {
    if (this.#over) {
      discardReply(reply);
      return;
    }
    this.#finish();
    for (const [index, controller] of this.#ways.entries()) if (index !== way) controller.abort();
    this.#resolve(reply);
  }

  #failed(way: number, error: unknown): void {
    this.#running--;
    if (way === 0) this.#firstError = error;
    if (this.#over || this.#running > 0) return;
    this.#finish();
    this.#reject(this.#firstError);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}
