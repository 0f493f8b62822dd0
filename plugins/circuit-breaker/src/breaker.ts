import type { Attempt } from "gatewright";
import { adaptThreshold, createAdaptiveThreshold } from "./adaptive-threshold.ts";
import type { AdaptiveThreshold } from "./adaptive-threshold.ts";
import { addOutcome, countOutcomes } from "./outcome-window.ts";
import type { OutcomeBuckets, WindowShape } from "./outcome-window.ts";
import type { OpenTime } from "./options.ts";

export type BreakerState = "closed" | "open" | "halfOpen";

export type TransitionCause =
  /** Failures in a row, or too many in the window. */
  | "failures"
  | "slow_calls"
  /** The open time is over and a probe goes out. */
  | "probe"
  | "probe_failed"
  | "probe_overdue"
  | "probes_succeeded"
  /** Another process opened it, or this one before its restart. */
  | "shared";

/** One change of one breaker. */
export interface Transition {
  /** Id of the target, `backend/model`. */
  readonly target: string;
  readonly backend: string;
  readonly from: BreakerState;
  readonly to: BreakerState;
  readonly cause: TransitionCause;
  /** Openings: how long it stays open, in milliseconds. */
  readonly openMs?: number;
}

/** Numbers that hold for one breaker. */
export interface BreakerRules {
  readonly trip:
    | { readonly mode: "consecutive"; readonly failureThreshold: number; readonly adaptive: boolean }
    | {
        readonly mode: "rate";
        readonly failureRate: number;
        readonly minVolume: number;
        readonly window: WindowShape;
        readonly slowMs: number;
        readonly slowRate: number;
      };
  /** Successes in a row that close it. */
  readonly successThreshold: number;
  readonly openMs: OpenTime;
  readonly maxProbes: number;
  readonly probeMs: number;
}

/** A right to one attempt at a target that is being probed. Kept from before the choice until the verdict. */
export interface ProbeSlot {
  /** All attempts of the request that holds it. */
  readonly attempts: readonly Attempt[];
  /** How many of them there were when it took the slot. */
  readonly from: number;
  readonly takenAtMs: number;
}

/** What is kept of one target. Plain data: it outlives a reload, and the code that made it. */
export interface BreakerRecord {
  readonly target: string;
  readonly backend: string;
  /** Where the target is: another place under the same name starts anew. */
  readonly place: string;
  state: BreakerState;
  /** Number of the change that began the present period, half-open being one with open. */
  since: number;
  /** Of the period before. */
  previousSince: number;
  /** In a row. */
  failures: number;
  /** In a row, of probes. */
  successes: number;
  /** In a row, without a closing between them. */
  openings: number;
  openUntilMs: number;
  /** After a 429; apart from all the rest. */
  coolUntilMs: number;
  slots: ProbeSlot[];
  readonly window: OutcomeBuckets;
  threshold?: AdaptiveThreshold;
}

/** What all breakers share. Plain data. */
export interface Ledger {
  /** Changes so far. An attempt that began before a breaker's last one says nothing of its present period. */
  changes: number;
  readonly records: Map<string, BreakerRecord>;
  /** Those that are not simply closed; while there are none, requests pass without a look. */
  readonly notable: Set<BreakerRecord>;
}

export interface BreakerHost {
  readonly ledger: Ledger;
  random(): number;
  onTransition(transition: Transition): void;
}

/** Why a target is not called now, and until when, as far as that is known. */
export interface Block {
  readonly reason: "open" | "cooling";
  readonly untilMs?: number;
}

export function createRecord(target: string, backend: string, place: string): BreakerRecord {
  return {
    target,
    backend,
    place,
    state: "closed",
    since: 0,
    previousSince: 0,
    failures: 0,
    successes: 0,
    openings: 0,
    openUntilMs: 0,
    coolUntilMs: 0,
    slots: [],
    window: [],
  };
}

/** The breaker of one target. Time is monotonic milliseconds and comes in as an argument. */
export class Breaker {
  readonly record: BreakerRecord;
  readonly #rules: BreakerRules;
  readonly #host: BreakerHost;

  constructor(record: BreakerRecord, rules: BreakerRules, host: BreakerHost) {
    this.record = record;
    this.#rules = rules;
    this.#host = host;
  }

  /** Why the target is not to be called; undefined when it may be. */
  block(nowMs: number): Block | undefined {
    const { record } = this;
    this.#expireSlots(nowMs);
    if (record.state !== "closed") {
      if (nowMs < record.openUntilMs) return { reason: "open", untilMs: record.openUntilMs };
      if (record.slots.length >= this.#rules.maxProbes) return { reason: "open" };
    }
    if (nowMs < record.coolUntilMs) return { reason: "cooling", untilMs: record.coolUntilMs };
    if (record.state === "closed") this.#host.ledger.notable.delete(record);
    return undefined;
  }

  /** Takes a slot where one is needed. Only after `block` found nothing. */
  reserve(attempts: readonly Attempt[], nowMs: number): ProbeSlot | undefined {
    if (this.record.state === "closed") return undefined;
    const slot: ProbeSlot = { attempts, from: attempts.length, takenAtMs: nowMs };
    this.record.slots.push(slot);
    return slot;
  }

  /** Gives the slot back. Of an earlier period: does nothing. */
  release(slot: ProbeSlot): void {
    const { record } = this;
    record.slots = record.slots.filter((held) => held !== slot);
  }

  /** The probe goes out. */
  begin(slot: ProbeSlot): void {
    const { record } = this;
    if (record.state === "open" && record.slots.includes(slot)) this.#change("halfOpen", "probe");
  }

  /** An attempt succeeded that began at change `begun`. `tookMs`: to its first content. */
  succeed(begun: number, nowMs: number, tookMs = 0): void {
    const { record } = this;
    if (begun < record.since) return;
    if (record.state === "closed") this.#count(false, nowMs, tookMs);
    else if (record.state === "halfOpen" && ++record.successes >= this.#rules.successThreshold) this.#close();
  }

  /** An attempt failed that began at change `begun`. */
  fail(begun: number, nowMs: number, tookMs = 0): void {
    const { record } = this;
    if (begun < record.since) return;
    if (record.state === "closed") this.#count(true, nowMs, tookMs);
    else if (record.state === "halfOpen") this.#open("probe_failed", nowMs);
  }

  /** A probe that succeeded with its first content broke off later: that counts in the period which it opened. */
  breakOff(begun: number, nowMs: number): void {
    const { record } = this;
    if (record.state === "closed" && begun >= record.previousSince) this.#count(true, nowMs, 0);
    else this.fail(begun, nowMs);
  }

  /** The target asked not to be called for a while. */
  coolDown(ms: number, nowMs: number): void {
    const { record } = this;
    record.coolUntilMs = Math.max(record.coolUntilMs, nowMs + ms);
    this.#note();
  }

  /** Somebody else found the target failing. */
  openUntil(untilMs: number, nowMs: number): void {
    const { record } = this;
    if (record.state === "open") record.openUntilMs = Math.max(record.openUntilMs, untilMs);
    else this.#open("shared", nowMs, untilMs - nowMs);
  }

  #count(failed: boolean, nowMs: number, tookMs: number): void {
    const { record } = this;
    const { trip } = this.#rules;
    if (trip.mode === "rate") {
      addOutcome(record.window, trip.window, nowMs, { failed, slow: tookMs >= trip.slowMs });
      const counts = countOutcomes(record.window, trip.window, nowMs);
      if (counts.total < trip.minVolume) return;
      if (counts.failed >= trip.failureRate * counts.total) this.#open("failures", nowMs);
      else if (counts.slow >= trip.slowRate * counts.total) this.#open("slow_calls", nowMs);
      return;
    }
    record.failures = failed ? record.failures + 1 : 0;
    let limit = trip.failureThreshold;
    if (trip.adaptive) {
      record.threshold ??= createAdaptiveThreshold(limit, nowMs);
      adaptThreshold(record.threshold, failed, nowMs);
      limit = Math.round(record.threshold.value);
    }
    if (record.failures >= limit) this.#open("failures", nowMs);
  }

  /** A probe that stays without verdict has failed when its time was over; a slot that was not used is free again. */
  #expireSlots(nowMs: number): void {
    const { record } = this;
    const { probeMs } = this.#rules;
    for (const slot of record.slots) {
      const use = useOf(slot, record.target);
      if (use === "elsewhere") this.release(slot);
      if (nowMs < slot.takenAtMs + probeMs) continue;
      if (use === "here") {
        this.begin(slot);
        this.#open("probe_overdue", slot.takenAtMs + probeMs);
        return;
      }
      this.release(slot);
    }
  }

  #open(cause: TransitionCause, atMs: number, openMs = this.#openMs()): void {
    const { record } = this;
    record.openings++;
    record.openUntilMs = atMs + openMs;
    this.#beginPeriod();
    this.#change("open", cause, openMs);
  }

  #close(): void {
    this.record.openings = 0;
    this.#beginPeriod();
    this.#change("closed", "probes_succeeded");
  }

  #beginPeriod(): void {
    const { record } = this;
    record.previousSince = record.since;
    record.since = ++this.#host.ledger.changes;
    record.failures = 0;
    record.successes = 0;
    record.slots = [];
    record.window.length = 0;
  }

  #change(to: BreakerState, cause: TransitionCause, openMs?: number): void {
    const { record } = this;
    const from = record.state;
    record.state = to;
    this.#note();
    const { target, backend } = record;
    this.#host.onTransition({ target, backend, from, to, cause, ...(openMs !== undefined && { openMs }) });
  }

  #note(): void {
    const { records, notable } = this.#host.ledger;
    // A snapshot that is on its way out may still speak of a place that has been replaced.
    if (records.get(this.record.target) === this.record) notable.add(this.record);
  }

  #openMs(): number {
    const { openMs } = this.#rules;
    if (typeof openMs === "number") return openMs;
    const base = Math.min(openMs.toMs, openMs.fromMs * 2 ** Math.min(this.record.openings, 52));
    return base * (1 + openMs.jitter * (2 * this.#host.random() - 1));
  }
}

/** What the holder of a slot has done since: called this target, called another, or not called any yet. */
export function useOf({ attempts, from }: ProbeSlot, target: string): "here" | "elsewhere" | "nowhere" {
  for (let index = from; index < attempts.length; index++) {
    if (attempts[index]!.target.id === target) return "here";
  }
  return attempts.length > from ? "elsewhere" : "nowhere";
}
