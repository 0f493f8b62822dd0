import { describe, expect, it } from "vitest";
import { median, medianDifference, medianRatio, percentile } from "../../bench/src/statistics.ts";

describe("percentile", () => {
  it("is the nearest rank: the smallest value that at least that share does not exceed", () => {
    const sorted = [15, 20, 35, 40, 50];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(sorted, share))).toEqual([15, 20, 20, 35, 50]);
  });

  it("is NaN of nothing", () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe("median", () => {
  it("is the middle of an odd count and the mean of the middle two of an even one, in any order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([8, 1, 4, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });

  it("does not hide that one value is missing", () => {
    expect(median([1, Number.NaN, 3])).toBeNaN();
  });

  it("leaves its input as it was", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("comparison by rounds", () => {
  it("cancels what slowed a whole round: both halved in the second, the ratio stays", () => {
    expect(medianRatio([80, 40, 80], [100, 50, 100])).toBe(0.8);
  });

  it("takes differences within a round, not between medians", () => {
    // Medians are 5 and 3, but the differences are 1, 1 and 4.
    expect(medianDifference([2, 5, 7], [1, 4, 3])).toBe(1);
  });

  it("is NaN without a common round", () => {
    expect(medianRatio([1, 2], [])).toBeNaN();
  });
});
