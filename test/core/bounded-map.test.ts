import fc from "fast-check";
import { BoundedMap } from "gatewright";
import { describe, expect, it } from "vitest";

const KEYS = ["a", "b", "c", "d", "e"];

const STEPS = fc.array(
  fc.record({
    what: fc.constantFrom("set", "get", "delete"),
    key: fc.constantFrom(...KEYS),
    value: fc.option(fc.integer(), { nil: undefined }),
  }),
  { maxLength: 60 },
);

describe("a bounded map", () => {
  it("lets the entry go that was set longest ago, however often it was got", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    expect(map.get("a")).toBe(1);
    map.set("c", 3);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([undefined, 2, 3]);
    expect(map.size).toBe(2);
  });

  it("keeps what is set again, and lets nothing go for it", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.set("a", 4);
    expect([map.get("a"), map.get("b")]).toEqual([4, 2]);
    map.set("c", 3);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([4, undefined, 3]);
  });

  it("tells a value that is undefined from none", () => {
    const map = new BoundedMap<string, undefined>(1);
    map.set("a", undefined);
    expect([map.has("a"), map.has("b")]).toEqual([true, false]);
    expect([map.delete("a"), map.delete("a"), map.size]).toEqual([true, false, 0]);
  });

  it("does the same as a Map whose first key is deleted when it is full", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), STEPS, (most, steps) => {
        const map = new BoundedMap<string, number | undefined>(most);
        const plain = new Map<string, number | undefined>();
        for (const { what, key, value } of steps) {
          if (what === "delete") expect(map.delete(key)).toBe(plain.delete(key));
          if (what === "set") {
            plain.delete(key);
            if (plain.size >= most) plain.delete(plain.keys().next().value!);
            plain.set(key, value);
            map.set(key, value);
          }
          expect(map.size).toBe(plain.size);
          for (const each of KEYS) {
            expect(map.has(each)).toBe(plain.has(each));
            expect(map.get(each)).toBe(plain.get(each));
          }
        }
      }),
      { seed: 20_261_121 },
    );
  });
});
