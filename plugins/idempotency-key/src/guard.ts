import { randomUUID } from "node:crypto";
import { isBodyStream, isStateUnavailable, recordReply, replayReply } from "gatewright";
import type { Attempt, Context, GatewayHost, Next, Reply, ReplyRecord } from "gatewright";
import * as v from "valibot";
import { claim, settle } from "./claims.ts";
import type { ClaimResult } from "./claims.ts";
import { KeptAnswer } from "./kept-answer.ts";
import type { IdempotencyKeyOptions } from "./options.ts";
import { answerLost, keyOfAnother, malformedKey, stillRunning, storeDown } from "./refusals.ts";
import { identify } from "./request-identity.ts";
import { IdleClaims } from "./idle-claims.ts";
import type { Held } from "./idle-claims.ts";

/** Between two looks at a key that is in use, in milliseconds: doubled from the first to the last. */
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 500;

/** Decides for each request with a key whether it runs, waits, is answered again or refused. */
export class Guard {
  readonly #options: IdempotencyKeyOptions;
  readonly #gateway: GatewayHost;
  readonly #idle: IdleClaims;

  constructor(options: IdempotencyKeyOptions, gateway: GatewayHost) {
    this.#options = options;
    this.#gateway = gateway;
    this.#idle = new IdleClaims(gateway);
  }

  close(): void {
    this.#idle.close();
  }

  async answer(ctx: Context, next: Next, key: string): Promise<Reply> {
    if (key === "" || key.length > 255) throw malformedKey(this.#options.header, key.length);
    const { id, fingerprint } = identify(ctx, key);
    const held = { id, owner: randomUUID() };
    let result: ClaimResult;
    let kept: ReplyRecord | undefined;
    try {
      result = await this.#claim(ctx, held, fingerprint);
      if (result === "answered") kept = await this.#find(id);
    } catch (error) {
      if (isStateUnavailable(error)) this.#idle.add(held);
      ctx.signal.throwIfAborted();
      if (!this.#options.failOpen) throw storeDown(error);
      this.#gateway.log.warn("a request with an idempotency key runs unguarded", { requestId: ctx.id });
      return next();
    }
    if (result === "other") throw keyOfAnother();
    if (result === "running") throw stillRunning();
    ctx.vars.idempotencyKey = { result: result === "mine" ? "first" : "replayed" };
    if (result === "mine") return this.#run(ctx, next, held);
    if (!kept) throw answerLost();
    return replayReply({ ...kept, headers: { ...kept.headers, "idempotent-replayed": "true" } });
  }

  /** Tries again while another request has the key, as long as it may. */
  async #claim(ctx: Context, { id, owner }: Held, fingerprint: string): Promise<ClaimResult> {
    const { waitMs, ttlMs, claimMs = ttlMs } = this.#options;
    const giveUpAt = this.#gateway.now() + waitMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      const [result] = await this.#gateway.state.run(claim, [id], [fingerprint, owner, claimMs]);
      const leftMs = giveUpAt - this.#gateway.now();
      if (result !== "running" || leftMs <= 0) return result;
      await ctx.sleep(Math.min(pauseMs, leftMs));
    }
  }

  async #find(id: string): Promise<ReplyRecord | undefined> {
    const { success, output } = v.safeParse(KeptAnswer, await this.#gateway.state.get(id));
    return success ? output : undefined;
  }

  async #run(ctx: Context, next: Next, held: Held): Promise<Reply> {
    let reply: Reply;
    try {
      reply = await next();
    } catch (error) {
      await this.#giveUp(ctx, held);
      throw error;
    }
    if (reply.status >= 400) {
      await this.#giveUp(ctx, held);
      return reply;
    }
    // Other layers may still write into the headers.
    const headers = { ...reply.headers };
    const { maxBytes } = this.#options;
    if (!isBodyStream(reply.body)) {
      let body: ReplyRecord["body"] | undefined;
      recordReply(reply, { maxBytes }, (kept) => (body = kept));
      // Who has the answer may ask for it again at once.
      await this.#keep(held, body === undefined ? undefined : { status: reply.status, headers, body });
      return reply;
    }
    let isWhole = false;
    recordReply(reply, { maxBytes }, (body) => {
      if (body === undefined) return;
      isWhole = true;
      void this.#keep(held, { status: reply.status, headers, body });
    });
    ctx.onFinished(({ outcome }) => {
      if (isWhole) return;
      // Too long to be kept, or not whole.
      void (outcome === "complete" ? this.#keep(held, undefined) : this.#giveUp(ctx, held));
    });
    return reply;
  }

  /** Never rejects: a key that cannot be settled stays taken, so that nothing runs twice. */
  async #keep({ id, owner }: Held, answer: ReplyRecord | undefined): Promise<void> {
    const { ttlMs } = this.#options;
    const { state } = this.#gateway;
    try {
      if (answer) await state.set(id, { version: 1, ...answer }, { ttlMs });
      await state.run(settle, [id], [owner, "answered", ttlMs]);
    } catch (error) {
      this.#warn(error);
    }
  }

  /** There is no answer. The key is free again, unless something may have been done that must not be done twice. */
  async #giveUp({ operation, attempts }: Context, held: Held): Promise<void> {
    if (!operation.replaySafe && !attempts.every(hasDoneNothing)) return;
    const { id, owner } = held;
    try {
      await this.#gateway.state.run(settle, [id], [owner, "free", 1]);
    } catch (error) {
      this.#idle.add(held);
      this.#warn(error);
    }
  }

  #warn(error: unknown): void {
    this.#gateway.log.warn("an idempotency key could not be settled", { error: String(error) });
  }
}

/** The backend never got the request, or refused it. */
function hasDoneNothing({ error }: Attempt): boolean {
  const failure = error?.upstream;
  return failure !== undefined && (!failure.sent || failure.kind === "status");
}
