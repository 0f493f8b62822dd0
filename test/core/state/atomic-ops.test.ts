import fc from "fast-check";
import { describe, test } from "vitest";
import { expectHistoriesEqual, expectReducerEqualsLua } from "../../_support/atomic-op-suite.ts";
import {
  acquireSlot,
  countAll,
  countDurably,
  releaseSlot,
  smooth,
  swap,
  tokenBucket,
} from "./_sample-ops.ts";

const someKeys = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 4 });
const ttlMs = fc.integer({ min: 1, max: 3_000 });
const owner = fc.constantFrom("x", "y", "z", "_proto", "1");

describe("reducer and Lua are one function", () => {
  test("an all-or-none counter over several keys", async () => {
    const args = fc.tuple(fc.integer({ min: -3, max: 9 }), fc.constantFrom(10, 20), ttlMs);
    await expectReducerEqualsLua(countAll, { args, keys: someKeys });
  });

  test("a token bucket in whole microseconds", async () => {
    const args = fc.tuple(
      fc.integer({ min: 1, max: 500_000 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat({ max: 5 }),
    );
    await expectReducerEqualsLua(tokenBucket, { args });
  });

  test("slots taken under leases and given back", async () => {
    const cases = [
      { op: acquireSlot, args: fc.tuple(owner, fc.integer({ min: 1, max: 3 }), ttlMs) },
      { op: releaseSlot, args: fc.tuple(owner, ttlMs) },
    ];
    await expectHistoriesEqual(cases);
  });

  test("strings and numbers keep their types, and every finite double its bits", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "0", "1e3", "n1", "s", "nan", "true", "\0", "null"),
    );
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.maxSafeInteger(),
      fc.constantFrom(0.1, 2 ** 53, 2 ** 63, 2 ** 64, -(2 ** 63), 5e-324, 1.7976931348623157e308, 1e21),
    );
    await expectReducerEqualsLua(swap, { args: fc.tuple(text, number) }, { runs: 150 });
  });

  test("floating point arithmetic agrees to the last bit", async () => {
    const sample = fc.double({ min: -1e12, max: 1e12, noNaN: true });
    await expectReducerEqualsLua(smooth, { args: fc.tuple(sample, fc.constantFrom(0.1, 0.3, 1 / 3, 0.9)) });
  });

  test("durable ops", async () => {
    const args = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constant(10), ttlMs);
    await expectReducerEqualsLua(countDurably, { args, keys: someKeys }, { runs: 10 });
  });
});
