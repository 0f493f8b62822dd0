import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admit, correct } from "../../plugins/rate-limit/src/atomic.ts";
import { resolveLimit } from "../../plugins/rate-limit/src/limit.ts";
import { expectHistoriesEqual } from "../_support/atomic-op-suite.ts";
import { anyLimit, Meter, SECOND, START_US } from "./_rate-limit.ts";

/** Gaps between calls in microseconds: bursts, odd fractions, long silences. */
const gaps = fc.array(
  fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300_000 }), fc.integer({ min: 1, max: 5 * SECOND })),
  { minLength: 1, maxLength: 120 },
);

/** Where the suite's histories begin. */
const HISTORY_START_US = 1_700_000_000_000_000;
const STEP_US = 100_000;

describe("reducer and Lua are one function", () => {
  const someKeys = fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });

  it.each(["token-bucket", "sliding-window", "fixed-window", "warm-up"] as const)(
    "%s: admissions and corrections of several keys at once",
    async (algorithm) => {
      const limits = fc.array(
        anyLimit.filter((limit) => limit.algorithm === algorithm).map((limit) => new Meter(limit).args),
        { minLength: 3, maxLength: 3 },
      );
      const [three] = fc.sample(limits, { numRuns: 1, seed: 7 });
      const argsFor = (keys: readonly string[], rest: (i: number) => readonly number[]): readonly number[] =>
        keys.flatMap((key, i) => [...three!["abc".indexOf(key)]!, ...rest(i)]);
      // Keys and arguments hang together: each key keeps its own limit.
      for (const keys of fc.sample(someKeys, { numRuns: 4, seed: 11 })) {
        await expectHistoriesEqual(
          [
            {
              op: admit,
              keys: fc.constant(keys),
              args: fc
                .array(fc.integer({ min: 0, max: 25 }), { minLength: 3, maxLength: 3 })
                .map((costs) => argsFor(keys, (i) => [costs[i]!])),
            },
            {
              op: correct,
              keys: fc.constant(keys),
              args: fc
                .tuple(fc.integer({ min: -12, max: 12 }), fc.integer({ min: 0, max: 30 }))
                .map(([delta, step]) => argsFor(keys, () => [delta, HISTORY_START_US + step * STEP_US])),
            },
          ],
          // Whole steps, so that corrections meet the very time of an admission; a few of them back.
          { runs: 25, stepUs: fc.constantFrom(0, 0, STEP_US, STEP_US, 5 * STEP_US, -STEP_US) },
        );
      }
    },
  );
});

describe("token-bucket", () => {
  it("li-1: passes a full bucket, refuses the next, and passes one more after a second", () => {
    const meter = new Meter({ algorithm: "token-bucket", capacity: 5, rate: 1 });
    expect(meter.countPasses(5)).toBe(5);
    expect(meter.ask()).toMatchObject({ admitted: false, remaining: 0, waitUs: SECOND });
    meter.nowUs += SECOND - 1;
    expect(meter.passes()).toBe(false);
    meter.nowUs += 1;
    expect(meter.countPasses(2)).toBe(1);
  });

  it("R4: admits at most B + floor(t/T) in any interval t", () => {
    fc.assert(
      fc.property(
        gaps,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 7 }),
        (gaps, capacity, rate) => {
          const meter = new Meter({ capacity, rate });
          const admittedAt: number[] = [];
          for (const gap of gaps) {
            meter.nowUs += gap;
            if (meter.passes()) admittedAt.push(meter.nowUs);
          }
          for (let from = 0; from < admittedAt.length; from++)
            for (let to = from; to < admittedAt.length; to++) {
              const intervalUs = admittedAt[to]! - admittedAt[from]!;
              expect(to - from + 1).toBeLessThanOrEqual(capacity + Math.floor((intervalUs * rate) / SECOND));
            }
        },
      ),
      { seed: 1 },
    );
  });

  it("R4: decides as GCRA does, where a unit takes whole microseconds", () => {
    const intervals = fc.constantFrom(1_000, 40_000, 125_000, 1_000_000);
    const calls = fc.array(fc.tuple(fc.integer({ min: 0, max: 1_500_000 }), fc.integer({ min: 0, max: 6 })), {
      maxLength: 100,
    });
    fc.assert(
      fc.property(calls, fc.integer({ min: 1, max: 20 }), intervals, (calls, burst, intervalUs) => {
        const meter = new Meter({ capacity: burst, rate: SECOND / intervalUs });
        let tat = 0;
        for (const [gap, cost] of calls) {
          meter.nowUs += gap;
          const next = Math.max(tat, meter.nowUs) + cost * intervalUs;
          const conforms = next - meter.nowUs <= burst * intervalUs;
          expect(meter.passes(cost)).toBe(conforms);
          if (conforms) tat = next;
        }
      }),
      { seed: 2 },
    );
  });

  it("loses no remainder of a refill, however often it is asked in between", () => {
    const rate = 7;
    const [busy, quiet] = [new Meter({ capacity: 21, rate }), new Meter({ capacity: 21, rate })];
    for (const meter of [busy, quiet]) meter.countPasses(21);
    for (let i = 0; i < 1_000; i++) {
      busy.nowUs += 2_999;
      busy.ask(21);
    }
    quiet.nowUs += 2_999_000;
    expect(busy.ask(0)).toEqual(quiet.ask(0));
    expect(busy.ask(0).remaining).toBe(20);
  });

  it("R9: a new rate finds the units that were used, and gives neither credit nor debt", () => {
    const before = resolveLimit({ capacity: 10, rate: 10 }, "l", 1).count;
    const after = resolveLimit({ capacity: 10, rate: 3 }, "l", 1).count;
    const taken = admit.reduce([undefined], [before.algorithm, ...before.numbers, 6], START_US);
    const asked = admit.reduce(taken.states as never, [after.algorithm, ...after.numbers, 0], START_US);
    expect(asked.result[2]).toBe(4);
  });

  it("keeps a debt, and lets nothing pass until it has run off", () => {
    const meter = new Meter({ unit: "tokens", rate: 90_000, per: "minute" });
    const takenAt = meter.nowUs;
    expect(meter.passes(1_000)).toBe(true);
    meter.correct(89_001, takenAt);
    const refused = meter.ask(1);
    expect(refused).toMatchObject({ admitted: false, remaining: 0 });
    // A debt of 1 and the token asked for, at 1,500 tokens a second.
    expect(refused.waitUs).toBe(Math.ceil((2 * SECOND) / 1_500));
    meter.nowUs += refused.waitUs;
    expect(meter.passes(1)).toBe(true);
  });

  it("a clock that goes back gives nothing and locks nobody out", () => {
    const meter = new Meter({ capacity: 2, rate: 1 });
    meter.countPasses(2);
    meter.nowUs -= 3_600 * SECOND;
    expect(meter.passes()).toBe(false);
    meter.nowUs += SECOND;
    expect(meter.countPasses(2)).toBe(1);
  });

  it("refuses a capacity and rate that cannot be counted in whole numbers", () => {
    expect(() => resolveLimit({ rate: 99_999_989, per: "hour" }, "l", 1)).toThrow("choose a rounder rate");
  });
});

describe("leaky-bucket", () => {
  it("li-2: refuses the third at once, never delays, and passes one more after a second", () => {
    const meter = new Meter({ algorithm: "leaky-bucket", capacity: 2, rate: 1 });
    expect(meter.countPasses(3)).toBe(2);
    meter.nowUs += SECOND;
    expect(meter.countPasses(2)).toBe(1);
  });
});

describe("sliding-window", () => {
  it("li-3: refuses the fourth within a second, and passes 1,001 ms after the first", () => {
    const meter = new Meter({ algorithm: "sliding-window", rate: 3 });
    expect(meter.passes()).toBe(true);
    meter.nowUs += 600_000;
    expect(meter.countPasses(3)).toBe(2);
    meter.nowUs = START_US + SECOND;
    expect(meter.ask()).toMatchObject({ admitted: false, waitUs: 1 });
    meter.nowUs = START_US + 1_001_000;
    expect(meter.countPasses(2)).toBe(1);
  });

  it("R4: holds the limit in every trailing window, with no doubling at an edge", () => {
    const costs = fc.array(fc.tuple(fc.integer({ min: 0, max: 500_000 }), fc.integer({ min: 0, max: 5 })), {
      maxLength: 120,
    });
    fc.assert(
      fc.property(costs, fc.integer({ min: 1, max: 9 }), (calls, rate) => {
        const meter = new Meter({ algorithm: "sliding-window", rate });
        const taken: { at: number; cost: number }[] = [];
        for (const [gap, cost] of calls) {
          meter.nowUs += gap;
          const trailing = taken.filter(({ at }) => meter.nowUs - at <= SECOND);
          const used = trailing.reduce((sum, { cost }) => sum + cost, 0);
          expect(meter.passes(cost)).toBe(used + cost <= rate);
          if (used + cost <= rate) taken.push({ at: meter.nowUs, cost });
        }
      }),
      { seed: 3 },
    );
  });

  it("gives back to the call that took it, and only while that is in the window", () => {
    const meter = new Meter({ algorithm: "sliding-window", rate: 10 });
    const first = meter.nowUs;
    meter.ask(6);
    meter.nowUs += 500_000;
    meter.ask(4);
    meter.correct(-5, first);
    expect(meter.ask(0).remaining).toBe(5);
    meter.nowUs = first + SECOND + 1;
    expect(meter.ask(0).remaining).toBe(6);
    meter.correct(-1, first);
    expect(meter.ask(0).remaining).toBe(6);
  });

  it("approximates by two counters, and is never above twice the limit in a window", () => {
    const meter = new Meter({ algorithm: "sliding-window", rate: 100, approximate: true });
    meter.nowUs += 900_000;
    expect(meter.countPasses(150)).toBe(100);
    meter.nowUs += 600_000;
    // Half a window later half of the previous one counts: 50 fit.
    expect(meter.countPasses(150)).toBe(50);
  });
});

describe("warm-up", () => {
  const limit = { algorithm: "warm-up", capacity: 1_000, rate: 100, warmUpMs: 600_000 } as const;

  /** Units that pass in one second when every chance is taken. */
  function passedInSecond(meter: Meter): number {
    let passed = 0;
    for (let i = 0; i < 1_000; i++) {
      meter.nowUs += 1_000;
      passed += meter.countPasses(5);
    }
    return passed;
  }

  it("li-4: is not full at the start, gives about half its rate at half time, and all of it after", () => {
    const meter = new Meter(limit);
    expect(meter.countPasses(1_000)).toBe(1);
    meter.nowUs = START_US + 299 * SECOND;
    meter.ask(meter.ask(0).remaining);
    const half = passedInSecond(meter);
    expect(half).toBeGreaterThan(45);
    expect(half).toBeLessThan(55);
    meter.nowUs = START_US + 700 * SECOND;
    meter.ask(meter.ask(0).remaining);
    expect(passedInSecond(meter)).toBe(100);
  });

  it("gives in sum what the rising rate encloses, however often it is asked", () => {
    const meter = new Meter({ ...limit, capacity: 40_000 });
    meter.ask(0);
    for (let i = 0; i < 6_000; i++) {
      meter.nowUs += 100_000;
      meter.ask(0);
    }
    // 1 to begin with, and the trapezoid between 1 and 100 a second over 600 seconds.
    expect(meter.ask(0).remaining).toBe(Math.floor(1 + ((1 + 100) / 2) * 600));
  });
});

describe("fixed-window", () => {
  it("opens with the calendar's window, in UTC", () => {
    const meter = new Meter({ algorithm: "fixed-window", rate: 3, per: "day" });
    meter.nowUs += 86_399 * SECOND;
    expect(meter.countPasses(4)).toBe(3);
    expect(meter.ask()).toMatchObject({ admitted: false, waitUs: SECOND, resetUs: SECOND });
    meter.nowUs += SECOND;
    expect(meter.countPasses(4)).toBe(3);
  });

  it("charges a late correction to the window of the admission", () => {
    const meter = new Meter({ algorithm: "fixed-window", rate: 10, per: "minute" });
    const takenAt = meter.nowUs;
    meter.ask(8);
    meter.correct(-5, takenAt);
    expect(meter.ask(0).remaining).toBe(7);
    meter.nowUs += 60 * SECOND;
    meter.ask(1);
    meter.correct(100, takenAt);
    expect(meter.ask(0).remaining).toBe(9);
  });
});

describe("any algorithm", () => {
  it("R5: takes the whole cost or nothing; 0 always fits, and what is above the limit never does", () => {
    fc.assert(
      fc.property(anyLimit, gaps, (limit, gaps) => {
        const meter = new Meter(limit);
        for (const [i, gap] of gaps.entries()) {
          meter.nowUs += gap;
          const cost = (i * 7) % (meter.limit + 2);
          const before = meter.ask(0);
          expect(before.admitted).toBe(true);
          const { admitted, remaining, waitUs } = meter.ask(cost);
          if (cost > meter.limit) expect(waitUs).toBe(-1);
          if (admitted) expect(remaining).toBe(before.remaining - cost);
          else expect(meter.ask(0)).toMatchObject({ remaining: before.remaining });
        }
      }),
      { seed: 4 },
    );
  });

  it("R7: admits a refused call after exactly the wait it stated, and not a microsecond before", () => {
    fc.assert(
      fc.property(anyLimit, gaps, (limit, gaps) => {
        const meter = new Meter(limit);
        for (const [i, gap] of gaps.entries()) {
          meter.nowUs += gap;
          const cost = 1 + (i % meter.limit);
          const { admitted, remaining, waitUs } = meter.ask(cost);
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(waitUs === 0).toBe(admitted);
          if (admitted) continue;
          meter.nowUs += waitUs - 1;
          expect(meter.passes(cost)).toBe(false);
          meter.nowUs += 1;
          expect(meter.passes(cost)).toBe(true);
        }
      }),
      { seed: 5 },
    );
  });

  it("R7: is whole again after exactly the reset it stated", () => {
    fc.assert(
      fc.property(anyLimit, gaps, (limit, gaps) => {
        const meter = new Meter(limit);
        for (const gap of gaps) {
          meter.nowUs += gap;
          meter.ask();
        }
        const { resetUs } = meter.ask(0);
        meter.nowUs += resetUs;
        expect(meter.ask(0).remaining).toBe(meter.limit);
      }),
      { seed: 6 },
    );
  });

  it("R10: every state has a time to live, after which it is worth nothing", () => {
    fc.assert(
      fc.property(anyLimit, gaps, (limit, gaps) => {
        const { count } = resolveLimit(limit, "l", 1);
        let nowUs = START_US;
        let state: Record<string, number | string> | undefined;
        for (const gap of gaps) {
          nowUs += gap;
          const step = admit.reduce([state], [count.algorithm, ...count.numbers, 1], nowUs);
          state = step.states[0]!;
          const [ttlMs] = step.ttlMs;
          expect(Number.isInteger(ttlMs) && ttlMs! > 0).toBe(true);
          const later = nowUs + ttlMs! * 1_000;
          const [kept, gone] = [state, undefined].map(
            (state) => admit.reduce([state], [count.algorithm, ...count.numbers, 0], later).result[2],
          );
          if (limit.algorithm === "warm-up") expect(gone).toBeLessThanOrEqual(kept!);
          else expect(gone).toBe(kept);
        }
      }),
      { seed: 7 },
    );
  });
});
