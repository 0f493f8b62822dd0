import fc from "fast-check";
import type { Arbitrary } from "fast-check";
import { isLongInteger, parseJson, stringifyJson } from "gatewright";
import { describe, expect, it } from "vitest";

const LONG = "1234567890123456789";
const NEGATIVE = "-9223372036854775808";
const NOT_A_SAFE_ONE = "9007199254740993";

/** What becomes of a text on its way through a tree. */
const again = (text: string): string => stringifyJson(parseJson(text));

describe("parseJson and stringifyJson", () => {
  it.each([
    LONG,
    NEGATIVE,
    NOT_A_SAFE_ONE,
    `[${LONG},${NEGATIVE}]`,
    `{"id":${LONG},"n":{"at":[[${NEGATIVE}]]}}`,
    `[1${"0".repeat(24)}]`,
    `[${"9".repeat(400)}]`,
  ])("carry every digit of %s", (text) => {
    expect(again(text)).toBe(text);
  });

  it.each([
    ["an ordinary number", "[1,2.5,-3,9007199254740992]"],
    ["twenty digits that a number holds and writes", "[100000000000000000000]"],
    ["a string of digits", `["${LONG}"]`],
    ["a string with digits in it", `["see: ${LONG}, [${LONG}]"]`],
    ["a string with quotes and backslashes before the digits", `["\\\\\\":${LONG}","\\\\",1]`],
    ["a name of digits", `{"${LONG}":1}`],
  ])("leave %s alone", (_, text) => {
    expect(again(text)).toBe(text);
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it.each(["-0", `[0.${LONG}]`, `[${LONG}.0]`, `[${LONG}e0]`, `[1e400]`, `[1E-${LONG}]`])(
    "read %s as JSON.parse does",
    (text) => {
      expect(parseJson(text)).toEqual(JSON.parse(text));
    },
  );

  it("take the last of two members of one name", () => {
    expect(again(`{"id":${NEGATIVE},"id":${LONG}}`)).toBe(`{"id":${LONG}}`);
    expect(again(`{"id":${LONG},"id":1}`)).toBe(`{"id":1}`);
  });

  it.each([
    `{${LONG}:1}`,
    `{${LONG} :1}`,
    `{"a":1,${LONG}}`,
    `[0${LONG}]`,
    `[+${LONG}]`,
    `[--${LONG}]`,
    `[.${LONG}]`,
    `[${LONG}${LONG}x]`,
    `[${LONG}"a"]`,
    `["a"${LONG}]`,
    `[${LONG} ${LONG}]`,
    `[${LONG}`,
    `["${LONG}]`,
    `[1, ${LONG}]]`,
  ])("refuse %s, which is not JSON", (text) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it("give an integer as a string that says what it is", () => {
    const [long, digits] = parseJson(`[${LONG},"${LONG}"]`) as unknown[];
    expect(isLongInteger(long)).toBe(true);
    expect(isLongInteger(digits)).toBe(false);
    expect(isLongInteger(1)).toBe(false);
  });

  it("carry two of them in a text inside of a text inside of a tree", () => {
    const tree = parseJson(`{"id":${LONG},"more":[${NEGATIVE}]}`);
    const once = JSON.stringify({ arguments: JSON.stringify(tree) });
    const twice = JSON.stringify({ body: once });
    expect(stringifyJson({ twice, tree })).toBe(
      JSON.stringify({
        twice: JSON.stringify({
          body: JSON.stringify({ arguments: `{"id":${LONG},"more":[${NEGATIVE}]}` }),
        }),
        tree: "?",
      }).replace('"?"', `{"id":${LONG},"more":[${NEGATIVE}]}`),
    );
  });

  it("write the digits alone where the value became part of a text, or a name", () => {
    const long = String(parseJson(LONG));
    expect(stringifyJson({ text: `id ${long}, again ${long}`, last: `id ${long}` })).toBe(
      `{"text":"id ${LONG}, again ${LONG}","last":"id ${LONG}"}`,
    );
    expect(stringifyJson([long + long])).toBe(`["${LONG}${LONG}"]`);
    expect(stringifyJson({ [long]: long })).toBe(`{"${LONG}":${LONG}}`);
    expect(stringifyJson([JSON.stringify({ [long]: 1 })])).toBe(JSON.stringify([`{"${LONG}":1}`]));
  });

  it("let nothing of the mark out of one that was cut in two", () => {
    const long = String(parseJson(LONG));
    expect(stringifyJson([long.slice(0, -5), long.slice(0, -20)])).toMatch(/^\["\d*","\d*"\]$/);
  });

  it("make no number of a text that looks like the mark of another process", () => {
    const long = String(parseJson(LONG));
    const foreign = long.replace(/[0-9a-f]{24}/, "0".repeat(24));
    expect(JSON.parse(stringifyJson([foreign]))).toEqual([foreign]);
    expect(JSON.parse(again(JSON.stringify({ a: foreign, b: 1 })))).toEqual({ a: foreign, b: 1 });
  });

  it("write nothing for undefined, as JSON.stringify does", () => {
    expect(stringifyJson(undefined)).toBeUndefined();
  });

  it("survive a clone and a spread", () => {
    const tree = parseJson(`{"a":{"id":${LONG}}}`) as { a: object };
    expect(stringifyJson({ ...structuredClone(tree), b: { ...tree.a } })).toBe(
      `{"a":{"id":${LONG}},"b":{"id":${LONG}}}`,
    );
  });

  it("read megabytes of digits, quotes and backslashes in one pass", () => {
    const hostile = JSON.stringify({
      digits: `"${"1".repeat(2 ** 20)}`,
      slashes: "\\".repeat(2 ** 20),
      marks: "\uFDD0".repeat(2 ** 18),
      quotes: '"'.repeat(2 ** 19),
    });
    const text = `{"long":${LONG},"hostile":${hostile}}`;
    expect(again(text)).toBe(text);
  });

  it("carry the integers of any JSON text, at any place and depth, through texts of texts", () => {
    fc.assert(
      fc.property(jsonText, fc.nat({ max: 3 }), (text, depth) => {
        let value = parseJson(text);
        let expected = text;
        for (let level = 0; level < depth; level++) {
          value = { text: JSON.stringify(value), level };
          expected = `{"text":${JSON.stringify(expected)},"level":${level}}`;
        }
        expect(stringifyJson(value)).toBe(expected);
      }),
      { seed: 53, numRuns: 2_000 },
    );
  });

  it("agree with JSON.parse about which texts are JSON, and about everything but long integers", () => {
    const words = `${LONG} ${NEGATIVE} 1 - 0 . e5 " \\ : , [ ] { } null "a"`.split(" ");
    const pieces = fc.constantFrom(" ", ...words);
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join("");
        const plain = attempt(() => JSON.parse(text) as unknown);
        const exact = attempt(() => parseJson(text));
        expect(exact.ok).toBe(plain.ok);
        if (plain.ok)
          expect(JSON.parse(stringifyJson(exact.value))).toEqual(JSON.parse(JSON.stringify(plain.value)));
      }),
      { seed: 54, numRuns: 20_000 },
    );
  });
});

function attempt(work: () => unknown): { ok: boolean; value?: unknown } {
  try {
    return { ok: true, value: work() };
  } catch {
    return { ok: false };
  }
}

/** Integers longer than a number holds. No zero at the end: those may be numbers. */
const longInteger = fc
  .tuple(fc.constantFrom("", "-"), fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }))
  .map(([sign, value]) => `${sign}${value - (value % 10n) + 7n}`);

const scalar: Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: longInteger },
  fc.oneof(fc.integer(), fc.boolean(), fc.constant(null)).map((value) => JSON.stringify(value)),
  fc
    .array(fc.constantFrom('"', "\\", ":", ",", " ", LONG, "\uFDD0", "\uFDD1", "é", "{", "\n"))
    .map((parts) => JSON.stringify(parts.join(""))),
);

/** JSON texts as `JSON.stringify` writes them, with long integers among the values. */
const jsonText: Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc
      .array(tie("value"), { maxLength: 4 })
      .map((items) => `{${items.map((item, index) => `"m${index}${LONG}":${item}`).join(",")}}`),
  ),
})).value;
