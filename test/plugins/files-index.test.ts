import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editIndex, type IndexArgs } from "../../plugins/files/src/id-index.ts";
import { expectReducerEqualsLua } from "../_support/atomic-op-suite.ts";

const edit = (state: Record<string, number> | undefined, args: IndexArgs, nowUs: number): string[] =>
  editIndex.reduce([state], args, nowUs).result;

describe("the index of ids", () => {
  it("has the latest first, each once, under the time at which it came", () => {
    expect(edit({ a: 1, b: 3 }, ["add", "c", 9, 1], 2)).toEqual(["b", "c", "a"]);
    expect(edit({ a: 1, b: 3 }, ["add", "a", 9, 1], 9)).toEqual(["b", "a"]);
    expect(edit({ a: 1, b: 3 }, ["remove", "b", 9, 1], 9)).toEqual(["a"]);
    expect(edit(undefined, ["read", "", 9, 1], 9)).toEqual([]);
  });

  it("lets the oldest go", () => {
    expect(editIndex.reduce([{ a: 1, b: 2 }], ["add", "c", 2, 7], 3)).toEqual({
      states: [{ b: 2, c: 3 }],
      result: ["c", "b"],
      ttlMs: [7],
    });
  });

  it("is the same in memory, in a file and in Redis", async () => {
    const args = fc.tuple(
      fc.constantFrom("add", "add", "remove", "read"),
      fc.constantFrom("a", "b", "c", "d", "e"),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1_000, max: 100_000 }),
    ) as fc.Arbitrary<IndexArgs>;
    await expectReducerEqualsLua(editIndex, { args });
  });
});
