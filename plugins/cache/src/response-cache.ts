import { OutageLog, recordReply } from "gatewright";
import type { Context, GatewayHost, Next, RecordingRules, Reply } from "gatewright";
import type { AnswerStore } from "./answer-store.ts";
import { Flights } from "./flights.ts";
import type { Flight, FoundAnswer } from "./flights.ts";
import type { RequestWish } from "./request-wish.ts";
import type { Place, SemanticLookup } from "./semantic-lookup.ts";
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

/** What is known of an answer that is being asked for. */
interface Asking {
  readonly result: "miss" | "bypass";
  readonly flight?: Flight;
  /** Where the request stands among others. */
  readonly place?: Place | undefined;
}

/** Answers from the store, or from upstream, once for all identical requests at a time. */
export class ResponseCache {
  readonly #store: AnswerStore;
  readonly #waitMs: number;
  readonly #outage: OutageLog;
  readonly #semantic: SemanticLookup | undefined;
  readonly #flights = new Flights();

  constructor(
    store: AnswerStore,
    waitMs: number,
    host: Pick<GatewayHost, "log" | "now">,
    semantic?: SemanticLookup,
  ) {
    this.#store = store;
    this.#waitMs = waitMs;
    this.#outage = new OutageLog(host, {
      failed: "the cache's store is passed by",
      answered: "the cache's store answers again",
    });
    this.#semantic = semantic;
  }

  async answer(call: CacheCall): Promise<Reply> {
    const { ctx, key, wish } = call;
    if (wish.noCache) return this.#ask(call, { result: "miss" });
    for (;;) {
      const flight = this.#flights.get(key);
      if (!flight) return this.#lead(call);
      const landing = await flight.wait(ctx, ctx.stream ? this.#waitMs : Infinity);
      if (landing === "left") continue;
      if (typeof landing === "object" && this.#isFresh(landing, wish)) return this.#hit(ctx, landing);
      return this.#ask(call, { result: "miss" });
    }
  }

  async #lead(call: CacheCall): Promise<Reply> {
    const { ctx, key, wish } = call;
    const flight = this.#flights.start(key);
    // A stream that is given up tells nobody.
    ctx.onFinished(() => this.#land(key, flight, "left"));
    let found: StoredAnswer | undefined;
    let place: Place | undefined;
    try {
      found = await this.#store.get(key);
      this.#outage.answered();
    } catch (error) {
      this.#outage.failed(error);
      return this.#ask(call, { result: "bypass", flight });
    }
    if (found && this.#isFresh(found, wish)) {
      this.#land(key, flight, found);
      return this.#hit(ctx, found);
    }
    if (this.#semantic) {
      try {
        place = await this.#semantic.locate(ctx);
        const similar = place && (await this.#findSimilar(place, wish));
        if (similar) {
          this.#land(key, flight, similar);
          return this.#hit(ctx, similar);
        }
      } catch (error) {
        this.#land(key, flight, "left");
        throw error;
      }
    }
    return this.#ask(call, { result: "miss", flight, place });
  }

  /** The answer to a request that means nearly the same. */
  async #findSimilar(place: Place, wish: RequestWish): Promise<FoundAnswer | undefined> {
    const semantic = this.#semantic!;
    for (;;) {
      const neighbour = semantic.nearest(place);
      if (!neighbour) return undefined;
      let answer: StoredAnswer | undefined;
      try {
        answer = await this.#store.get(neighbour.key);
      } catch (error) {
        this.#outage.failed(error);
        return undefined;
      }
      if (answer) {
        if (!this.#isFresh(answer, wish)) return undefined;
        semantic.touch(neighbour.key);
        return { ...answer, similarity: neighbour.similarity };
      }
      semantic.remove(neighbour.key);
    }
  }

  #isFresh({ storedAt, expiresAt }: StoredAnswer, { maxAgeMs }: RequestWish): boolean {
    const now = this.#store.now();
    return now < expiresAt && now - storedAt <= maxAgeMs;
  }

  #hit(ctx: Context, answer: FoundAnswer): Reply {
    const { similarity } = answer;
    markReply(ctx, similarity === undefined ? "hit" : "semantic-hit", similarity);
    // Another process's clock may be ahead.
    return toReply(answer, Math.max(0, this.#store.now() - answer.storedAt));
  }

  async #ask(call: CacheCall, { result, flight, place }: Asking): Promise<Reply> {
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
    const { attempt, status } = reply;
    const isGenuine = status === 200 && attempt !== undefined && candidates.includes(attempt.target);
    if (!isGenuine) {
      if (flight) this.#land(key, flight, "none");
      return reply;
    }
    const headers = { ...reply.headers };
    recordReply(reply, rules, (body) => {
      if (body === undefined) {
        if (flight) this.#land(key, flight, ctx.aborted ? "left" : "none");
        return;
      }
      const storedAt = this.#store.now();
      const answer: StoredAnswer = { storedAt, expiresAt: storedAt + ttlMs, headers, body };
      // First for those who wait; who comes later joins the flight until the store has the answer.
      flight?.land(answer);
      void this.#keep(key, answer, { result, place }).then(() => flight && this.#flights.close(key, flight));
    });
    return reply;
  }

  /** Never rejects. */
  async #keep(key: string, answer: StoredAnswer, { result, place }: Asking): Promise<void> {
    if (result === "bypass") return;
    try {
      await this.#store.set(key, answer);
      if (place) this.#semantic!.add(key, place);
      this.#outage.answered();
    } catch (error) {
      this.#outage.failed(error);
    }
  }

  #land(key: string, flight: Flight, landing: FoundAnswer | "none" | "left"): void {
    // A new answer closes its flight once it is stored.
    if (flight.landing !== undefined) return;
    this.#flights.close(key, flight);
    flight.land(landing);
  }
}

/** Tells the client and the other plugins. */
export function markReply(
  ctx: Context,
  result: "hit" | "semantic-hit" | "miss" | "bypass",
  similarity?: number,
): void {
  ctx.vars.cache = similarity === undefined ? { result } : { result, similarity };
  ctx.setReplyHeader("x-gatewright-cache", result);
  if (similarity !== undefined) ctx.setReplyHeader("x-gatewright-cache-similarity", similarity.toFixed(4));
}
