import { describe, expect, it } from "vitest";
import { checkRequirements } from "../../bench/src/requirements.ts";
import type { Rate } from "../../bench/src/measure/rate.ts";

function rate(ratioToBare: number, rounds: number[]): Rate {
  return {
    perSecond: 0,
    ratioToBare,
    cpuRatioToBare: 0,
    loadBusy: 0,
    subjectBusy: 0,
    othersBusy: 0,
    errors: 0,
    rounds,
  };
}

describe("checkRequirements", () => {
  it("claims nothing that was not measured", () => {
    const requirements = checkRequirements({});
    expect(requirements.length).toBeGreaterThan(0);
    expect(requirements.every(({ isMet, value }) => isMet === null && Number.isNaN(value))).toBe(true);
  });

  it("holds ratios to their limits, the limit itself included", () => {
    const requirements = checkRequirements({
      throughput: { empty: rate(0.74, []), default: rate(0.6, [900, 1_000]), portkey: rate(0.1, [100, 100]) },
    });
    const verdicts = requirements.filter(({ isMet }) => isMet !== null);
    expect(verdicts.map(({ subject, limit, value, isMet }) => [subject, limit, value, isMet])).toEqual([
      ["empty", 0.75, 0.74, false],
      ["default", 0.6, 0.6, true],
      // The median of 9 and 10.
      ["default", 10, 9.5, false],
    ]);
  });

  it("wants each of 2,000 streams whole, none lost and none later than 250 ms", () => {
    const paced = {
      streams: 2_000,
      intervalMs: 100,
      started: 2_000,
      p50Ms: 1,
      p99Ms: 1,
      p50ToBare: 1,
      p99ToBare: 1,
    };
    const requirements = checkRequirements({
      paced: { default: [{ ...paced, complete: 1_999, lost: 3, maxMs: 249 }] },
    });
    const verdicts = requirements.filter(({ isMet }) => isMet !== null);
    expect(verdicts.map(({ value, isMet }) => [value, isMet])).toEqual([
      [1, false],
      [3, false],
      [249, true],
    ]);
  });
});
