import type { Numbers } from "./algorithm.ts";
import { BUCKET, FIXED_WINDOW, SLIDING_COUNTERS, SLIDING_LOG, WARM_UP } from "./atomic.ts";
import type { ContextFunction, LimitInput } from "./options.ts";
import { createScopeKeys } from "./scope.ts";
import type { ScopeKeys } from "./scope.ts";

export type Unit = "requests" | "tokens";

/** A limit made ready: what it is called, whom it counts, and the numbers that its algorithm works with. */
export interface Limit {
  readonly name: string;
  readonly unit: Unit;
  /** In which a limit that is used up is whole again, rounded up, for policies in headers. */
  readonly windowSeconds: number;
  readonly cost: number | ContextFunction<number>;
  readonly keys: ScopeKeys;
  /** Place of the algorithm, and its numbers. */
  readonly count: Counting;
  /** The share of one of several processes that count for themselves. */
  readonly localCount: Counting;
}

export interface Counting {
  readonly algorithm: number;
  readonly numbers: Numbers;
  /** Largest cost that can ever fit: the capacity of a bucket, the rate of a window. */
  readonly most: number;
}

const PERIOD_US = { second: 1e6, minute: 60e6, hour: 3_600e6, day: 86_400e6 };

/** A sum of products below this, with a debt as large as the bucket, is exact. */
const MAX_PRODUCT = 2 ** 52;

/** Fills in the defaults. @throws when a bucket cannot be counted in whole numbers. */
export function resolveLimit(input: LimitInput, name: string, expectedProcesses: number): Limit {
  const { algorithm = "token-bucket", unit = "requests", scope = "client-ip", cost = 1 } = input;
  const { rate = 10, per = "second", windowMs, approximate, warmUpMs = 600_000 } = input;
  const kind = algorithm === "sliding-window" && approximate ? "sliding-counters" : algorithm;
  const figures: Figures = {
    kind,
    rate,
    capacity: input.capacity ?? input.rate ?? 100,
    periodUs: windowMs === undefined ? PERIOD_US[per] : windowMs * 1_000,
    warmUpUs: warmUpMs * 1_000,
  };
  const count = countingOf(figures, 1);
  if (count.algorithm === BUCKET && count.numbers[2] > MAX_PRODUCT)
    throw new Error(
      `rateLimit: a capacity of ${figures.capacity} at ${rate} per ${per} cannot be counted exactly; choose a rounder rate`,
    );
  return {
    name,
    unit,
    cost,
    keys: createScopeKeys(`${name}:${kind}`, scope),
    windowSeconds: Math.ceil((count.most / rate) * (figures.periodUs / 1e6)),
    count,
    localCount: countingOf(figures, expectedProcesses),
  };
}

interface Figures {
  readonly kind: NonNullable<LimitInput["algorithm"]> | "sliding-counters";
  readonly rate: number;
  readonly capacity: number;
  readonly periodUs: number;
  readonly warmUpUs: number;
}

/** The numbers of one of so many processes that count for themselves; of a single one they are the whole limit's. */
function countingOf({ kind, rate, capacity, periodUs, warmUpUs }: Figures, processes: number): Counting {
  const share = (amount: number): number => Math.max(1, Math.floor(amount / processes));
  switch (kind) {
    case "sliding-window":
      return { algorithm: SLIDING_LOG, numbers: [share(rate), periodUs, 0], most: share(rate) };
    case "sliding-counters":
      return { algorithm: SLIDING_COUNTERS, numbers: [share(rate), periodUs, 0], most: share(rate) };
    case "fixed-window":
      return { algorithm: FIXED_WINDOW, numbers: [share(rate), periodUs, 0], most: share(rate) };
    case "warm-up": {
      const perSecond = (rate * 1e6) / periodUs / processes;
      return { algorithm: WARM_UP, numbers: [perSecond, share(capacity), warmUpUs], most: share(capacity) };
    }
    case "token-bucket":
    case "leaky-bucket": {
      const common = greatestCommonDivisor(rate, periodUs);
      const price = (periodUs / common) * processes;
      const full = share(capacity) * price;
      return { algorithm: BUCKET, numbers: [rate / common, price, full], most: share(capacity) };
    }
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
