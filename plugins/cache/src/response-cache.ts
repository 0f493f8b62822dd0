import type { Context, Logger, Next, Reply } from "gatewright";
import { recordAnswer } from "./answer-recorder.ts";
import type { RecordingRules } from "./answer-recorder.ts";
import type { AnswerStore } from "./answer-store.ts";
import { Flights } from "./flights.ts";
import type { Flight } from "./flights.ts";
import type { RequestWish } from "./request-wish.ts";
import { toReply } from "./stored-answer.ts";
import type { StoredAnswer } from "./stored-answer.ts";

/** A request whose answer may come from the cache. */
export interface CacheCall {
  readonly ctx: Context;
  readonly next: Next;
  readonly key: string;
  readonly wish: RequestWish;
  readonly ttlMs: number;
  readonly rules: RecordingRules;
}

/** Answers from the store, or from upstream, once for all identical requests at a time. */
export class ResponseCache {
  readonly #store: AnswerStore;
  readonly #waitMs: number;
  readonly #log: Logger;
  readonly #flights = new Flights();
  #isDown = false;

  constructor(store: AnswerStore, waitMs: number, log: Logger) {
    this.#store = store;
    this.#waitMs = waitMs;
    this.#log = log;
  }

  async answer(call: CacheCall): Promise<Reply> {
    const { ctx, key, wish } = call;
    if (wish.noCache) return this.#ask(call, "miss");
    for (;;) {
      const flight = this.#flights.get(key);
      if (!flight) return this.#lead(call);
      const landing = await flight.wait(ctx, ctx.stream ? this.#waitMs : Infinity);
      if (landing === "left") continue;
      if (typeof landing === "object" && this.#isFresh(landing, wish)) return this.#hit(ctx, landing);
      return this.#ask(call, "miss");
    }
  }

  async #lead(call: CacheCall): Promise<Reply> {
    const { ctx, key, wish } = call;
    const flight = this.#flights.start(key);
    // A stream that is given up tells nobody.
    ctx.onFinished(() => this.#land(key, flight, "left"));
    let found: StoredAnswer | undefined;
    try {
      found = await this.#store.get(key);
      this.#note();
    } catch (error) {
      this.#note(error as Error);
      return this.#ask(call, "bypass", flight);
    }
    if (!found || !this.#isFresh(found, wish)) return this.#ask(call, "miss", flight);
    this.#land(key, flight, found);
    return this.#hit(ctx, found);
  }

  #isFresh({ storedAt, expiresAt }: StoredAnswer, { maxAgeMs }: RequestWish): boolean {
    const now = this.#store.now();
    return now < expiresAt && now - storedAt <= maxAgeMs;
  }

  #hit(ctx: Context, answer: StoredAnswer): Reply {
    markReply(ctx, "hit");
    // Another process's clock may be ahead.
    return toReply(answer, Math.max(0, this.#store.now() - answer.storedAt));
  }

  async #ask(call: CacheCall, result: "miss" | "bypass", flight?: Flight): Promise<Reply> {
    const { ctx, next, key, rules, ttlMs } = call;
    markReply(ctx, result);
    // The rest of the chain may narrow the list.
    const { candidates } = ctx;
    let reply: Reply;
    try {
      reply = await next();
    } catch (error) {
      if (flight) this.#land(key, flight, ctx.aborted ? "left" : "none");
      throw error;
    }
    // Prepared answers and those of another model are second best: not to be given again when the best is back.
    const isGenuine = reply.attempt !== undefined && candidates.includes(reply.attempt.target);
    if (!isGenuine) {
      if (flight) this.#land(key, flight, "none");
      return reply;
    }
    const headers = { ...reply.headers };
    recordAnswer(reply, rules, (body) => {
      if (body === undefined) {
        if (flight) this.#land(key, flight, ctx.aborted ? "left" : "none");
        return;
      }
      const storedAt = this.#store.now();
      const answer: StoredAnswer = { storedAt, expiresAt: storedAt + ttlMs, headers, body };
      // First for those who wait; who comes later joins the flight until the store has the answer.
      flight?.land(answer);
      void this.#keep(key, answer, result).then(() => flight && this.#flights.close(key, flight));
    });
    return reply;
  }

  /** Never rejects. */
  async #keep(key: string, answer: StoredAnswer, result: "miss" | "bypass"): Promise<void> {
    if (result === "bypass") return;
    try {
      await this.#store.set(key, answer);
      this.#note();
    } catch (error) {
      this.#note(error as Error);
    }
  }

  #land(key: string, flight: Flight, landing: StoredAnswer | "none" | "left"): void {
    // A new answer closes its flight once it is stored.
    if (flight.landing !== undefined) return;
    this.#flights.close(key, flight);
    flight.land(landing);
  }

  /** Says once that the store is down, and once that it is back. */
  #note(failure?: Error): void {
    const isDown = failure !== undefined;
    if (isDown === this.#isDown) return;
    this.#isDown = isDown;
    if (isDown) this.#log.warn("the cache's store is passed by", { error: String(failure) });
    else this.#log.info("the cache's store answers again");
  }
}

/** Tells the client and the other plugins. */
export function markReply(ctx: Context, result: "hit" | "miss" | "bypass"): void {
  ctx.vars.cache = { result };
  ctx.setReplyHeader("x-gatewright-cache", result);
}
