import fc from "fast-check";
import { canonicalJson, parseJson } from "gatewright";
import { describe, expect, it } from "vitest";

describe("a canonical text", () => {
  it("means the same JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { seed: 3 },
    );
  });

  it("is the same however members are ordered, at every depth", () => {
    expect(canonicalJson({ b: [{ y: 1, x: "é" }], a: null })).toBe('{"a":null,"b":[{"x":"é","y":1}]}');
    expect(canonicalJson({ a: null, b: [{ x: "é", y: 1 }] })).toBe('{"a":null,"b":[{"x":"é","y":1}]}');
  });

  it("keeps the order of lists", () => {
    expect(canonicalJson([2, 1])).toBe("[2,1]");
  });

  it("tells two requests apart by the last digit, in the words that every process has", () => {
    const text = '{"seed":1234567890123456789,"tools":[{"const":-1234567890123456783}]}';
    expect(canonicalJson(parseJson(text))).toBe(text);
  });
});
