import fc from "fast-check";
import { expect, test } from "vitest";
import { fromStorageKey, toStorageKey } from "../../../core/src/state/storage-key.ts";

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 })
    .map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom(":", "~", "a", "/", "0", "."), { maxLength: 8 }).map((parts) => parts.join("")),
);

test("every key comes back as it was, so no two are stored as one", () => {
  fc.assert(
    fc.property(anyText, (key) => {
      expect(fromStorageKey(toStorageKey(key))).toBe(key);
    }),
    { seed: 7, numRuns: 2_000 },
  );
});

test("stored keys hold nothing that unstorage folds, cuts or hides", () => {
  fc.assert(
    fc.property(anyText, (key) => {
      expect(toStorageKey(key)).toMatch(/^[\w~-]+(:[\w~-]+)*$/);
    }),
    { seed: 7, numRuns: 2_000 },
  );
});
