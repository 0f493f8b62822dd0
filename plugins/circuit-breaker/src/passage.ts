import type { Attempt, Context, Target } from "gatewright";
import { GatewayError, judgeAttempt, toRetryAfter } from "gatewright";
import { useOf } from "./breaker.ts";
import type { Block, Breaker, ProbeSlot } from "./breaker.ts";
import type { Breakers } from "./breakers.ts";

/** A target that a request was kept from. */
export interface BlockedTarget {
  /** Its id, `backend/model`. */
  readonly target: string;
  readonly reason: Block["reason"];
  /** Until it may be called again, in milliseconds; absent while its probes run. */
  readonly leftMs?: number;
}

interface Reservation {
  readonly breaker: Breaker;
  readonly slot: ProbeSlot;
}

/**
 * One run of a request through the rest of the chain: what it may reach, which probe slots it holds while a target is
 * chosen, and what its attempt says in the end.
 */
export class Passage {
  readonly #breakers: Breakers;
  /** Changes of breakers before it. */
  readonly #begun: number;
  #reservations: readonly Reservation[] = [];

  constructor(breakers: Breakers) {
    this.#breakers = breakers;
    this.#begun = breakers.ledger.changes;
  }

  /**
   * Takes blocked targets from the candidates and a slot of each that is being probed. Throws when none is left. Of a
   * target that was chosen already, by a balancer before this, only that one counts.
   */
  narrow(ctx: Context): void {
    const nowMs = this.#breakers.now();
    const candidates = ctx.target === undefined ? ctx.candidates : [ctx.target];
    const blocked: BlockedTarget[] = [];
    const left = candidates.filter((target) => {
      const block = this.#breakers.of(target)?.block(nowMs);
      if (block !== undefined) blocked.push(toBlocked(target, block, nowMs));
      return block === undefined;
    });
    if (blocked.length > 0) {
      ctx.vars.circuitBreaker = { blocked };
      if (!left.some(({ weight }) => weight > 0))
        throw refusal(blocked, candidates, ctx.target !== undefined);
      ctx.candidates = left;
    }
    this.#reservations = left.flatMap((target) => {
      const breaker = this.#breakers.of(target);
      const slot = breaker?.reserve(ctx.attempts, nowMs);
      return slot === undefined ? [] : [{ breaker: breaker!, slot }];
    });
  }

  /** The rest of the chain has run as far as it goes without waiting: as a rule an attempt is on its way. */
  dispatched(): void {
    for (const { breaker, slot } of this.#reservations) {
      const use = useOf(slot, breaker.record.target);
      if (use === "here") breaker.begin(slot);
      else if (use === "elsewhere") breaker.release(slot);
    }
  }

  /** Judges the attempt when it is over; without one, nothing was asked of any target. */
  ended(attempt: Attempt | undefined): void {
    const held = this.#settleReservations(attempt);
    if (attempt === undefined) return;
    if (attempt.outcome !== undefined) this.#judge(attempt, held);
    else if (held !== undefined) this.#judgeStreamedProbe(attempt, held);
    else attempt.onSettled((settled) => this.#judge(settled, undefined));
  }

  /** Lets go of the slots but for that of the attempt's target. */
  #settleReservations(attempt: Attempt | undefined): Reservation | undefined {
    let held: Reservation | undefined;
    for (const reservation of this.#reservations) {
      const { breaker, slot } = reservation;
      if (attempt?.target.id === breaker.record.target) held = reservation;
      else breaker.release(slot);
    }
    held?.breaker.begin(held.slot);
    return held;
  }

  #judge(attempt: Attempt, held: Reservation | undefined): void {
    const breaker = this.#breakers.of(attempt.target);
    if (breaker === undefined) return;
    const nowMs = this.#breakers.now();
    const verdict = judgeAttempt(attempt);
    if (verdict === "throttled") {
      const waitMs = attempt.error?.upstream?.retryAfterMs;
      if (waitMs !== undefined) breaker.coolDown(waitMs, nowMs);
    }
    if (held !== undefined) breaker.release(held.slot);
    if (verdict === "success") breaker.succeed(this.#begun, nowMs, attempt.timeToFirstTokenMs);
    else if (verdict === "failure") breaker.fail(this.#begun, nowMs, attempt.timeToFirstTokenMs);
  }

  /** The reply is here, its end is not: for a probe that is enough to succeed. */
  #judgeStreamedProbe(attempt: Attempt, { breaker, slot }: Reservation): void {
    breaker.release(slot);
    breaker.succeed(this.#begun, this.#breakers.now());
    attempt.onSettled((settled) => {
      if (judgeAttempt(settled) === "failure") breaker.breakOff(this.#begun, this.#breakers.now());
    });
  }
}

/** How long until the first of these may be called, if cooling down is all that keeps one of them. */
export function coolingLeftMs(breakers: Breakers, candidates: readonly Target[]): number | undefined {
  const nowMs = breakers.now();
  let leftMs: number | undefined;
  for (const target of candidates) {
    if (target.weight === 0) continue;
    const block = breakers.of(target)?.block(nowMs);
    if (block === undefined) return undefined;
    if (block.reason === "cooling") leftMs = Math.min(leftMs ?? Infinity, block.untilMs! - nowMs);
  }
  return leftMs;
}

function toBlocked({ id }: Target, { reason, untilMs }: Block, nowMs: number): BlockedTarget {
  return { target: id, reason, ...(untilMs !== undefined && { leftMs: untilMs - nowMs }) };
}

/**
 * 503: by open breakers alone, or by a mixture of causes; with the time when the first of them may end. A chosen
 * target is refused as the balancer expects it, who then chooses another.
 */
function refusal(
  blocked: readonly BlockedTarget[],
  candidates: readonly Target[],
  isChosen: boolean,
): GatewayError {
  const weighty = new Set(candidates.filter(({ weight }) => weight > 0).map(({ id }) => id));
  const causes = blocked.filter(({ target }) => weighty.has(target));
  if (causes.length === 0) return new GatewayError("no_available_instances");
  // Probes that run may end at any moment.
  const leftMs = Math.min(...causes.map((cause) => cause.leftMs ?? 0));
  const headers = { "retry-after": toRetryAfter(leftMs) };
  if (isChosen || causes.some(({ reason }) => reason === "cooling"))
    return new GatewayError("no_available_instances", { headers });
  return new GatewayError("circuit_breaker_open", {
    status: 503,
    type: "circuit_breaker_open",
    message: "Circuit breaker is open",
    headers,
  });
}
