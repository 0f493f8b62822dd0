/** Limits without a gateway around: what a plugin's options mean, on a clock of the test's. */
import fc from "fast-check";
import { admit, ADMIT_HEAD, correct } from "../../plugins/rate-limit/src/atomic.ts";
import { resolveLimit } from "../../plugins/rate-limit/src/limit.ts";
import type { LimitInput } from "../../plugins/rate-limit/src/options.ts";

/** Midnight in UTC. */
export const START_US = 1_700_006_400_000_000;
export const SECOND = 1_000_000;

export interface Answer {
  readonly admitted: boolean;
  readonly remaining: number;
  readonly resetUs: number;
  /** -1: never. */
  readonly waitUs: number;
}

/** One limit and its state, for one key. */
export class Meter {
  readonly args: readonly number[];
  readonly limit: number;
  nowUs = START_US;
  #state: Record<string, number | string> | undefined;
  #expiresAtUs = 0;

  constructor(input: LimitInput) {
    const { count } = resolveLimit(input, "test", 1);
    this.args = [count.algorithm, ...count.numbers];
    this.limit = count.most;
  }

  ask(cost = 1): Answer {
    const result = this.#run(admit, [...this.args, cost]);
    const [remaining, resetUs, waitUs] = result.slice(ADMIT_HEAD) as [number, number, number];
    return { admitted: result[0] === 1, remaining, resetUs, waitUs };
  }

  correct(delta: number, takenAtUs: number): void {
    this.#run(correct, [...this.args, delta, takenAtUs]);
  }

  passes(cost = 1): boolean {
    return this.ask(cost).admitted;
  }

  /** How many of so many calls at once pass. */
  countPasses(calls: number): number {
    let passed = 0;
    for (let i = 0; i < calls; i++) if (this.passes()) passed++;
    return passed;
  }

  #run(op: typeof admit, args: readonly number[]): readonly number[] {
    const state = this.#expiresAtUs > this.nowUs ? this.#state : undefined;
    const step = op.reduce([state], args, this.nowUs);
    this.#state = step.states[0]!;
    this.#expiresAtUs = this.nowUs + step.ttlMs[0]! * 1_000;
    return step.result;
  }
}

export const ALGORITHMS = [
  "token-bucket",
  "leaky-bucket",
  "sliding-window",
  "warm-up",
  "fixed-window",
] as const;

/** Limits of every algorithm, small enough to be reached. */
export const anyLimit: fc.Arbitrary<LimitInput> = fc
  .record({
    algorithm: fc.constantFrom(...ALGORITHMS),
    rate: fc.integer({ min: 1, max: 40 }),
    per: fc.constantFrom("second", "minute" as const),
    capacity: fc.integer({ min: 1, max: 20 }),
    approximate: fc.boolean(),
    warmUpMs: fc.integer({ min: 1, max: 60_000 }),
  })
  .map(({ algorithm, rate, per, capacity, approximate, warmUpMs }): LimitInput => {
    if (algorithm === "sliding-window") return { algorithm, rate, per, approximate };
    if (algorithm === "fixed-window") return { algorithm, rate, per };
    if (algorithm === "warm-up") return { algorithm, rate, per, capacity, warmUpMs };
    return { algorithm, rate, per, capacity };
  });
