import { backendPlace } from "gatewright";
import type { GatewayHost, Target } from "gatewright";
import { Breaker, createRecord } from "./breaker.ts";
import type { BreakerHost, BreakerRules, Ledger, Transition } from "./breaker.ts";
import type { CircuitBreakerOptions } from "./options.ts";

const RATE_BUCKETS = 10;

/** The breakers of one gateway: one for each target that was ever in need of one. */
export class Breakers {
  readonly ledger: Ledger;
  readonly #options: CircuitBreakerOptions;
  readonly #host: BreakerHost;
  readonly #now: () => number;
  readonly #rules = new Map<string, BreakerRules | undefined>();
  readonly #breakers = new Map<string, Breaker>();

  constructor(options: CircuitBreakerOptions, gateway: GatewayHost, onTransition: (t: Transition) => void) {
    this.#options = options;
    this.ledger = gateway.carry<Ledger>("breakers", () => ({
      changes: 0,
      records: new Map(),
      notable: new Set(),
    }));
    this.#host = { ledger: this.ledger, random: () => gateway.random(), onTransition };
    this.#now = () => gateway.now();
    this.#forgetOthers(gateway.targets);
  }

  /** Monotonic milliseconds. */
  now(): number {
    return this.#now();
  }

  /** The target's breaker; undefined when its backend has none. */
  of(target: Target): Breaker | undefined {
    return this.#breakers.get(target.id) ?? this.#create(target);
  }

  #create({ id, backend }: Target): Breaker | undefined {
    const rules = this.#rulesOf(backend.name);
    if (rules === undefined) return undefined;
    const { records, notable } = this.ledger;
    const place = backendPlace(backend);
    let record = records.get(id);
    if (record?.place !== place) {
      if (record !== undefined) notable.delete(record);
      record = createRecord(id, backend.name, place);
      records.set(id, record);
    }
    const breaker = new Breaker(record, rules, this.#host);
    this.#breakers.set(id, breaker);
    return breaker;
  }

  #rulesOf(backend: string): BreakerRules | undefined {
    if (!this.#rules.has(backend)) this.#rules.set(backend, toRules(this.#options, backend));
    return this.#rules.get(backend);
  }

  /** A config without these targets is in force now. */
  #forgetOthers(targets: ReadonlyMap<string, Target>): void {
    const { records, notable } = this.ledger;
    for (const [id, record] of records) {
      if (targets.has(id)) continue;
      records.delete(id);
      notable.delete(record);
    }
  }
}

/** The numbers of a backend win over the plugin's. Undefined: it has no breaker. */
function toRules(options: CircuitBreakerOptions, backend: string): BreakerRules | undefined {
  const own = ownNumbers(options.backends, backend);
  if (own?.enabled === false) return undefined;
  const { maxProbes, probeMs } = options;
  const openMs = own?.openMs ?? options.openMs;
  if (options.mode === "rate") {
    const { failureRate, minVolume, windowMs, slowMs = Infinity, slowRate } = options;
    const window = { windowMs, buckets: RATE_BUCKETS };
    const trip = { mode: "rate", failureRate, minVolume, window, slowMs, slowRate } as const;
    return { trip, successThreshold: maxProbes, openMs, maxProbes, probeMs };
  }
  const numbers = ownNumbers(options.backends, backend);
  const { adaptive } = options;
  const failureThreshold = numbers?.failureThreshold ?? options.failureThreshold;
  const successThreshold = numbers?.successThreshold ?? options.successThreshold;
  return {
    trip: { mode: "consecutive", failureThreshold, adaptive },
    successThreshold,
    openMs,
    maxProbes,
    probeMs,
  };
}

function ownNumbers<Numbers>(
  backends: Readonly<Record<string, Numbers>>,
  backend: string,
): Numbers | undefined {
  return Object.hasOwn(backends, backend) ? backends[backend] : undefined;
}
