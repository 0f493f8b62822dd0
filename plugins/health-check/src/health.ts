import type { EjectionOptions, HealthCheckOptions } from "./options.ts";

/** One change of a backend's health. */
export interface HealthChange {
  readonly backend: string;
  /** `returned`: an ejection is over. */
  readonly to: "down" | "loading" | "up" | "ejected" | "auth_failed" | "returned";
  /** What a check found, or which rule ejected. */
  readonly cause?: string;
  /** Ejections: how long, in milliseconds. */
  readonly forMs?: number;
}

/** Why a backend is left out. */
export type Exclusion = "down" | "loading" | "ejected" | "auth_failed";

/** What is kept of one backend. Plain data: it outlives a reload, and the code that made it. */
export interface HealthRecord {
  readonly backend: string;
  /** Where it is and with which credential: anything else under the same name starts anew. */
  readonly place: string;
  /** By checks. `up` before the first one too. */
  state: "up" | "down" | "loading";
  /** Checks in a row. */
  passed: number;
  missed: number;
  /** Live failures in a row. */
  failures: number;
  /** Ejections in a row, less those that healthy time made good. */
  ejections: number;
  /** 0: not ejected. */
  ejectedUntilMs: number;
  authFailed: boolean;
  /** End of the last ejection. */
  healthySinceMs: number;
  /** Coming back since then. */
  rampFromMs?: number;
  /** Share of a request that the ramp owes it. */
  credit: number;
}

/** What a process keeps. Plain data. */
export interface HealthLedger {
  readonly records: Map<string, HealthRecord>;
  /** Those of whom something is to be said; while there are none, requests pass without a look. */
  readonly notable: Set<HealthRecord>;
  /** A gateway has run before this one. */
  started: boolean;
}

export interface HealthHost {
  readonly ledger: HealthLedger;
  random(): number;
  onChange(change: HealthChange): void;
}

/** Share of the requests with which a ramp begins. */
const LEAST_SHARE = 0.1;
/** Requests that see it at once: of two, a rotation over two backends gives it one. */
const FIRST_OFFERS = 2;
/** An ejection is shorter by up to this, so that backends ejected together do not return together. */
const JITTER = 0.1;

export function createHealthRecord(backend: string, place: string): HealthRecord {
  return {
    backend,
    place,
    state: "up",
    passed: 0,
    missed: 0,
    failures: 0,
    ejections: 0,
    ejectedUntilMs: 0,
    authFailed: false,
    healthySinceMs: 0,
    credit: 0,
  };
}

/** The health of one backend. Time is monotonic milliseconds and comes in as an argument. */
export class Health {
  readonly record: HealthRecord;
  readonly #options: HealthCheckOptions;
  readonly #host: HealthHost;

  constructor(record: HealthRecord, options: HealthCheckOptions, host: HealthHost) {
    this.record = record;
    this.#options = options;
    this.#host = host;
  }

  /** Why the backend is to be left out; undefined when it may be used. */
  exclusion(nowMs: number): Exclusion | undefined {
    const { record } = this;
    if (record.state !== "up") return record.state;
    if (record.ejectedUntilMs === 0) return undefined;
    if (nowMs < record.ejectedUntilMs) return record.authFailed ? "auth_failed" : "ejected";
    record.healthySinceMs = record.ejectedUntilMs;
    record.ejectedUntilMs = 0;
    record.authFailed = false;
    this.ramp(nowMs);
    this.#tell("returned");
    return undefined;
  }

  /**
   * Whether this request may see a backend that is coming back: of all requests a share that grows evenly over the
   * ramp. Each request that asks counts.
   */
  isDue(nowMs: number): boolean {
    const { record } = this;
    const share = record.rampFromMs === undefined ? 1 : (nowMs - record.rampFromMs) / this.#options.rampMs;
    if (share >= 1) {
      record.rampFromMs = undefined;
      if (record.state === "up" && record.ejectedUntilMs === 0) this.#host.ledger.notable.delete(record);
      return true;
    }
    record.credit += Math.max(LEAST_SHARE, share);
    if (record.credit < 1) return false;
    record.credit -= 1;
    return true;
  }

  /** Lets the backend in slowly from now on. */
  ramp(nowMs: number): void {
    const { record } = this;
    record.rampFromMs = this.#options.rampMs > 0 ? nowMs : undefined;
    record.credit = FIRST_OFFERS;
    this.#note();
  }

  succeeded(): void {
    this.record.failures = 0;
  }

  /** A live failure. True when it is one too many in a row, so that the backend should be ejected. */
  failed(): boolean {
    const { record } = this;
    // What began before an ejection says nothing more.
    if (record.ejectedUntilMs > 0) return false;
    return ++record.failures >= this.#options.ejection.failures;
  }

  eject(reason: "ejected" | "auth_failed", nowMs: number, cause?: string): void {
    const { record } = this;
    const { decayMs, baseMs, maxMs }: EjectionOptions = this.#options.ejection;
    if (record.ejectedUntilMs > 0) return;
    const forgotten = Math.floor((nowMs - record.healthySinceMs) / decayMs);
    record.ejections = Math.max(0, record.ejections - forgotten) + 1;
    const forMs = Math.min(maxMs, baseMs * record.ejections) * (1 - JITTER * this.#host.random());
    record.ejectedUntilMs = nowMs + forMs;
    record.authFailed = reason === "auth_failed";
    record.failures = 0;
    this.#note();
    this.#tell(reason, { cause, forMs });
  }

  checkPassed(nowMs: number): void {
    const { record } = this;
    record.missed = 0;
    record.passed++;
    if (record.state === "up") return;
    if (record.state === "down" && record.passed < this.#options.upAfter) return;
    record.state = "up";
    record.failures = 0;
    this.ramp(nowMs);
    this.#tell("up");
  }

  /** `loading`: it answers that it is not ready yet, which is believed at once. */
  checkMissed(cause: string, loading: boolean): void {
    const { record } = this;
    record.passed = 0;
    record.missed = loading ? 0 : record.missed + 1;
    const state = loading ? "loading" : record.missed >= this.#options.downAfter ? "down" : record.state;
    if (state === record.state) return;
    record.state = state;
    this.#note();
    this.#tell(state, { cause });
  }

  #tell(to: HealthChange["to"], { cause, forMs }: { cause?: string; forMs?: number } = {}): void {
    this.#host.onChange({
      backend: this.record.backend,
      to,
      ...(cause !== undefined && { cause }),
      ...(forMs !== undefined && { forMs }),
    });
  }

  #note(): void {
    const { records, notable } = this.#host.ledger;
    // A snapshot that is on its way out may still speak of a backend that has been replaced.
    if (records.get(this.record.backend) === this.record) notable.add(this.record);
  }
}
