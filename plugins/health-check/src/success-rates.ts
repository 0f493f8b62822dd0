import { BoundedMap } from "gatewright";

const INTERVAL_MS = 30_000;
const LEAST_BACKENDS = 5;
const LEAST_ATTEMPTS = 100;
const DEVIATIONS = 1.9;
/** Models kept; then the oldest goes. Names under a vendor prefix are the client's to invent. */
const MAX_MODELS = 1_000;

interface Tally {
  total: number;
  succeeded: number;
}

interface Interval {
  startMs: number;
  readonly byBackend: Map<string, Tally>;
}

/** Compares the success rates of the backends of each model, interval by interval. */
export class SuccessRates {
  readonly #models = new BoundedMap<string, Interval>(MAX_MODELS);

  /** Takes an outcome in. When an interval is over: the backends that fell behind in it. */
  record(model: string, backend: string, succeeded: boolean, nowMs: number): string[] {
    const interval = this.#intervalOf(model, nowMs);
    const isOver = nowMs - interval.startMs >= INTERVAL_MS;
    const behind = isOver ? findOutliers(interval.byBackend) : [];
    if (isOver) {
      interval.startMs = nowMs;
      interval.byBackend.clear();
    }
    const tally = interval.byBackend.get(backend) ?? { total: 0, succeeded: 0 };
    tally.total++;
    if (succeeded) tally.succeeded++;
    interval.byBackend.set(backend, tally);
    return behind;
  }

  #intervalOf(model: string, nowMs: number): Interval {
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    const interval: Interval = { startMs: nowMs, byBackend: new Map() };
    this.#models.set(model, interval);
    return interval;
  }
}

/** Those below the mean by more than 1.9 standard deviations; none where too few have enough attempts. */
export function findOutliers(byBackend: ReadonlyMap<string, Readonly<Tally>>): string[] {
  const rates = [...byBackend]
    .filter(([, { total }]) => total >= LEAST_ATTEMPTS)
    .map(([backend, { total, succeeded }]) => ({ backend, rate: succeeded / total }));
  if (rates.length < LEAST_BACKENDS) return [];
  const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length;
  const least = mean - DEVIATIONS * Math.sqrt(variance);
  return rates.filter(({ rate }) => rate < least).map(({ backend }) => backend);
}
