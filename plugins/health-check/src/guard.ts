import { createHash } from "node:crypto";
import {
  backendPlace,
  GatewayError,
  isGatewayError,
  judgeAttempt,
  revealSecret,
  toRetryAfter,
} from "gatewright";
import type { Attempt, Backend, Context, GatewayHost, Target } from "gatewright";
import { createHealthRecord, Health } from "./health.ts";
import type { Exclusion, HealthChange, HealthHost, HealthLedger } from "./health.ts";
import type { HealthCheckOptions } from "./options.ts";
import { mostEjected, selectUsable } from "./pool.ts";
import { SuccessRates } from "./success-rates.ts";

/** A target that a request was kept from. */
export interface ExcludedTarget {
  /** Its id, `backend/model`. */
  readonly target: string;
  /** `ramping`: its backend is coming back, and this request was not its turn. */
  readonly reason: Exclusion | "ramping";
}

/** The health of all backends, and what it means for requests. */
export class Guard {
  readonly #options: HealthCheckOptions;
  readonly #gateway: GatewayHost;
  readonly #host: HealthHost;
  readonly #healths = new Map<string, Health>();
  readonly #rates: SuccessRates | undefined;

  constructor(options: HealthCheckOptions, gateway: GatewayHost, onChange: (change: HealthChange) => void) {
    this.#options = options;
    this.#gateway = gateway;
    const ledger = gateway.carry<HealthLedger>("health", () => ({
      records: new Map(),
      notable: new Set(),
      started: false,
    }));
    this.#host = { ledger, random: () => gateway.random(), onChange };
    if (options.ejection.successRate) this.#rates = new SuccessRates();
    this.#forgetOthers();
    for (const backend of gateway.backends.values()) this.of(backend);
    ledger.started = true;
  }

  /** True while there is nothing to be said of any backend. */
  get isCalm(): boolean {
    return this.#host.ledger.notable.size === 0;
  }

  of(backend: Backend): Health {
    return this.#healths.get(backend.name) ?? this.#create(backend);
  }

  /** Takes out of the candidates what must not be used. Throws when none is left. */
  narrow(ctx: Context): void {
    const nowMs = this.#gateway.now();
    const { candidates } = ctx;
    const pool = poolOf(ctx);
    const exclusionOf = (target: Target): Exclusion | undefined => this.of(target.backend).exclusion(nowMs);
    const usable = selectUsable(candidates, pool, exclusionOf, this.#options.panicShare);
    if (!usable.some(({ weight }) => weight > 0)) {
      note(ctx, candidates, usable, exclusionOf);
      throw this.#refusal(candidates, exclusionOf, nowMs);
    }
    const due = this.#keepDue(usable, nowMs);
    if (due.length === candidates.length) return;
    note(ctx, candidates, due, exclusionOf);
    ctx.candidates = due;
  }

  /** Judges the attempt when it is over. */
  observe(ctx: Context, attempt: Attempt | undefined): void {
    if (attempt === undefined) return;
    if (attempt.outcome === undefined) attempt.onSettled((settled) => this.#judge(ctx, settled));
    else this.#judge(ctx, attempt);
  }

  #judge(ctx: Context, attempt: Attempt): void {
    const { ejection } = this.#options;
    const verdict = judgeAttempt(attempt);
    if (!ejection.enabled || verdict === "none" || verdict === "throttled") return;
    const { backend } = attempt.target;
    const health = this.of(backend);
    const nowMs = this.#gateway.now();
    if (verdict === "unauthorized") {
      health.eject("auth_failed", nowMs, `status ${attempt.error!.upstream!.status}`);
      return;
    }
    const succeeded = verdict === "success";
    if (succeeded) health.succeeded();
    else if (health.failed()) this.#eject(ctx, health, nowMs, "failures");
    for (const name of this.#rates?.record(ctx.model, backend.name, succeeded, nowMs) ?? []) {
      const behind = this.#healths.get(name);
      if (behind !== undefined) this.#eject(ctx, behind, nowMs, "success_rate");
    }
  }

  /** Ejects, unless as many of the pool are out already as may be. */
  #eject(ctx: Context, health: Health, nowMs: number, cause: string): void {
    const pool = new Map<string, Health>();
    for (const { backend, weight } of poolOf(ctx)) if (weight > 0) pool.set(backend.name, this.of(backend));
    let ejected = 0;
    for (const other of pool.values()) if (other.exclusion(nowMs) === "ejected") ejected++;
    if (ejected < mostEjected(pool.size)) health.eject("ejected", nowMs, cause);
  }

  /** Without those whose backend is coming back and not due, unless that leaves none. */
  #keepDue(usable: readonly Target[], nowMs: number): readonly Target[] {
    const due = new Map<Backend, boolean>();
    for (const { backend } of usable) {
      if (!due.has(backend)) due.set(backend, this.of(backend).isDue(nowMs));
    }
    const left = usable.filter(({ backend }) => due.get(backend));
    return left.some(({ weight }) => weight > 0) ? left : usable;
  }

  #refusal(
    candidates: readonly Target[],
    exclusionOf: (target: Target) => Exclusion | undefined,
    nowMs: number,
  ): GatewayError {
    let leftMs = Infinity;
    for (const target of candidates) {
      const exclusion = exclusionOf(target);
      if (target.weight === 0 || exclusion === undefined || exclusion === "down") continue;
      const { ejectedUntilMs } = this.of(target.backend).record;
      leftMs = Math.min(leftMs, exclusion === "loading" ? this.#options.intervalMs : ejectedUntilMs - nowMs);
    }
    return new GatewayError("no_available_instances", {
      headers: leftMs < Infinity ? { "retry-after": toRetryAfter(leftMs) } : {},
    });
  }

  #create(backend: Backend): Health {
    const { records, notable, started } = this.#host.ledger;
    const place = placeOf(backend);
    const known = records.get(backend.name);
    const isSame = known?.place === place;
    if (known !== undefined && !isSame) notable.delete(known);
    const record = isSame ? known : createHealthRecord(backend.name, place);
    records.set(backend.name, record);
    const health = new Health(record, this.#options, this.#host);
    this.#healths.set(backend.name, health);
    // Beside others that are at work already, a new one begins slowly.
    if (!isSame && started) health.ramp(this.#gateway.now());
    return health;
  }

  /** A config without these backends is in force now. */
  #forgetOthers(): void {
    const { records, notable } = this.#host.ledger;
    for (const [name, record] of records) {
      if (this.#gateway.backends.has(name)) continue;
      records.delete(name);
      notable.delete(record);
    }
  }
}

/** All targets of the model. Of a model that only another plugin knows, those that it named. */
function poolOf(ctx: Context): readonly Target[] {
  try {
    return ctx.resolve(ctx.model);
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return ctx.candidates;
  }
}

/** The credential by its digest only: what is carried must not hold it. */
function placeOf(backend: Backend): string {
  const { apiKey } = backend;
  const credential = apiKey && createHash("sha256").update(revealSecret(apiKey)).digest("hex");
  return `${backendPlace(backend)} ${credential ?? ""}`;
}

function note(
  ctx: Context,
  candidates: readonly Target[],
  left: readonly Target[],
  exclusionOf: (target: Target) => Exclusion | undefined,
): void {
  const excluded = candidates
    .filter((target) => !left.includes(target))
    .map((target): ExcludedTarget => ({ target: target.id, reason: exclusionOf(target) ?? "ramping" }));
  ctx.vars.healthCheck = { excluded };
}
