import { BoundedMap, isBodyStream } from "gatewright";
import type { Context, Reply } from "gatewright";
import { answerKey } from "./answer-key.ts";
import type { FallbackCache } from "./options.ts";

interface Entry {
  readonly storedAt: number;
  readonly reply: Pick<Reply, "status" | "headers" | "body">;
}

/** The last good answer to each request, in memory. Times are monotonic milliseconds. */
export class AnswerCache {
  readonly #options: FallbackCache;
  readonly #now: () => number;
  /** Least recently used first. */
  readonly #entries: BoundedMap<string, Entry>;

  constructor(options: FallbackCache, now: () => number) {
    this.#options = options;
    this.#now = now;
    this.#entries = new BoundedMap(options.maxEntries);
  }

  /** Keeps an answer, if it is one: whole, 2xx, not too long. */
  keep(ctx: Context, { status, headers, body }: Reply): void {
    if (!isKept(ctx) || status < 200 || status > 299 || body === null || isBodyStream(body)) return;
    if (Buffer.byteLength(body) > this.#options.maxEntryBytes) return;
    const entry = { storedAt: this.#now(), reply: { status, headers: { ...headers }, body } };
    this.#entries.set(answerKey(ctx), entry);
  }

  /** The same answer again, with its age. */
  find(ctx: Context): Reply | undefined {
    if (!isKept(ctx)) return undefined;
    const key = answerKey(ctx);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const ageMs = this.#now() - entry.storedAt;
    if (ageMs >= this.#options.ttlMs) {
      this.#entries.delete(key);
      return undefined;
    }
    this.#entries.set(key, entry);
    const headers = { "x-gatewright-fallback": "cache", age: String(Math.floor(ageMs / 1_000)) };
    return { ...entry.reply, headers: { ...entry.reply.headers, ...headers } };
  }
}

/** Forms hold files, which no key could stand for. */
function isKept({ stream, body }: Context): boolean {
  return !stream && body.kind === "json";
}
