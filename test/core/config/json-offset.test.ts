import fc from "fast-check";
import { expect, it } from "vitest";
import { jsonFaultOffset } from "../../../core/src/config/json-offset.ts";

it.each([
  [`{"a": x}`, 6],
  [`{"a" 1}`, 5],
  [`{"a": 1 "b": 2}`, 8],
  [`[1, 2,]`, 6],
  [`[1 2]`, 3],
  [`{"a": "b`, 6],
  [`{"a": "\n"}`, 6],
  [`{'a': 1}`, 1],
  [`{"a": 1} x`, 9],
  [``, 0],
  [`[01]`, 2],
])("RFC 8259: %j stops being JSON at %i", (text, offset) => expect(jsonFaultOffset(text)).toBe(offset));

it("finds no fault in what JSON.stringify writes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(jsonFaultOffset(text)).toBe(text.length);
    }),
    { seed: 1 },
  );
});

it("stays within a text cut anywhere", () => {
  const text = JSON.stringify({ a: [1, { b: "c\\u0041" }, null], d: -1.5e9 });
  for (let end = 0; end < text.length; end++)
    expect(jsonFaultOffset(text.slice(0, end))).toBeLessThanOrEqual(end);
});
