import fc from "fast-check";
import { isSealed, parseJson, seal, SEAL, sortSealed, unseal } from "gatewright";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";

const item = fc.record({
  type: fc.constant("thinking"),
  thinking: fc.string({ unit: "grapheme" }),
  signature: fc.string(),
});

describe("what vendors want back, as one text", () => {
  it("comes back as it was, also when a client decodes its bytes and encodes them anew", () => {
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const text = seal(items);
        expect(unseal(text)).toEqual(items);
        // Google's dialect has bytes there, in base64 of either alphabet (RFC 4648, sections 4 and 5).
        const bytes = Buffer.from(text, "base64");
        expect(bytes.toString("base64")).toBe(text);
        const urlSafe = text.replaceAll("+", "-").replaceAll("/", "_");
        expect(unseal(urlSafe)).toEqual(items);
        expect(unseal(urlSafe.replaceAll("=", ""))).toEqual(items);
      }),
      { seed: 20_261_121 },
    );
  });

  it("keeps integers that a number would change", () => {
    const items = parseJson(
      '[{"type":"extra_content","extra_content":{"id":9007199254740993}}]',
    ) as JsonObject[];
    expect(Buffer.from(seal(items).slice(SEAL.length), "base64").toString()).toContain("9007199254740993");
    expect(unseal(seal(items))).toEqual(items);
  });

  it("is nothing that somebody else wrote", () => {
    const of = (json: string): string => SEAL + Buffer.from(json).toString("base64");
    for (const text of [
      "",
      "EqQBCgIYAhIM",
      undefined,
      1,
      SEAL,
      `${SEAL}!!`,
      of("{}"),
      of("[1]"),
      of("["),
      `${seal([])}~`,
    ])
      expect(unseal(text)).toBeUndefined();
    expect([isSealed(of("[1]")), isSealed("EqQBCgIYAhIM"), isSealed(null)]).toEqual([true, false, false]);
  });

  it("is sorted into thoughts and what belongs to calls, or to the message", () => {
    const thought = { type: "redacted_thinking", data: "x" };
    const [a, b] = [{ google: { thought_signature: "a" } }, { google: { thought_signature: "b" } }];
    expect(
      sortSealed([
        thought,
        { type: "extra_content", call_id: "c1", extra_content: a },
        { type: "extra_content", extra_content: b },
        { type: "extra_content", call_id: "c2", extra_content: "ill" },
      ]),
    ).toEqual({
      thinkingBlocks: [thought],
      extras: new Map([
        ["c1", a],
        [undefined, b],
      ]),
    });
  });
});
