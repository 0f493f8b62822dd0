import { expect, it } from "vitest";
import { addUsage } from "../../core/src/usage-sum.ts";

const ONE = { inputTokens: 10, outputTokens: 4, totalTokens: 14, cachedTokens: 3, reasoningTokens: 2 };

it("adds each count of two usages", () => {
  expect(addUsage(ONE, { inputTokens: 1, outputTokens: 2, totalTokens: 3, reasoningTokens: 1 })).toEqual({
    inputTokens: 11,
    outputTokens: 6,
    totalTokens: 17,
    cachedTokens: 3,
    reasoningTokens: 3,
  });
});

it("calls a sum with an estimate in it an estimate", () => {
  expect(addUsage({ ...ONE, estimated: true }, ONE)?.estimated).toBe(true);
  expect(addUsage(ONE, { ...ONE, estimated: true })?.estimated).toBe(true);
  expect(addUsage(ONE, ONE)).not.toHaveProperty("estimated");
});

it("takes the one that is there for the sum, and none for none", () => {
  expect(addUsage(undefined, ONE)).toEqual(ONE);
  expect(addUsage(ONE, undefined)).toEqual(ONE);
  expect(addUsage(undefined, undefined)).toBeUndefined();
});
