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
  const rate = input.rate ?? 10;
  const capacity = input.capacity ?? input.rate ?? 100;
  const periodUs = input.windowMs === undefined ? PERIOD_US[input.per ?? "second"] : input.windowMs * 1_000;
  const share = (amount: number): number => Math.max(1, Math.floor(amount / expectedProcesses));
  const kind = algorithm === "sliding-window" && input.approximate ? "sliding-counters" : algorithm;
  const base = { name, unit, cost, keys: createScopeKeys(`${name}:${kind}`, scope) };

  if (algorithm === "sliding-window" || algorithm === "fixed-window") {
    const place =
      algorithm === "fixed-window" ? FIXED_WINDOW : input.approximate ? SLIDING_COUNTERS : SLIDING_LOG;
    const windowed = (limit: number): Counting => ({
      algorithm: place,
      numbers: [limit, periodUs, 0],
      most: limit,
    });
    return {
      ...base,
      windowSeconds: Math.ceil(periodUs / 1e6),
      count: windowed(rate),
      localCount: windowed(share(rate)),
    };
  }
  const windowSeconds = Math.ceil((capacity / rate) * (periodUs / 1e6));
  if (algorithm === "warm-up") {
    const warming = (capacity: number, perSecond: number): Counting => ({
      algorithm: WARM_UP,
      numbers: [perSecond, capacity, (input.warmUpMs ?? 600_000) * 1_000],
      most: capacity,
    });
    const perSecond = (rate * 1e6) / periodUs;
    return {
      ...base,
      windowSeconds,
      count: warming(capacity, perSecond),
      localCount: warming(share(capacity), perSecond / expectedProcesses),
    };
  }
  const common = greatestCommonDivisor(rate, periodUs);
  const bucket = (capacity: number, processes: number): Counting => {
    const price = (periodUs / common) * processes;
    return { algorithm: BUCKET, numbers: [rate / common, price, capacity * price], most: capacity };
  };
  const count = bucket(capacity, 1);
  if (count.numbers[2] > MAX_PRODUCT)
    throw new Error(
      `rateLimit: a capacity of ${capacity} at ${rate} per ${input.per ?? "second"} cannot be counted exactly; choose a rounder rate`,
    );
  return {
    ...base,
    windowSeconds,
    count,
    localCount: bucket(share(capacity), expectedProcesses),
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Names a limit by what it counts, not by its numbers: a new number is to find what was used. */
export function kindOf({
  unit = "requests",
  scope = "client-ip",
  per = "second",
  windowMs,
}: LimitInput): string {
  const window = windowMs === undefined ? per : `${windowMs}ms`;
  return `${unit}-per-${window}-by-${typeof scope === "function" ? "function" : scope}`;
}
