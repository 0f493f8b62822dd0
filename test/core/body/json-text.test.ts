import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  editJson,
  findMember,
  glanceJson,
  isMemberText,
  memberNames,
  memberText,
  scanJson,
} from "../../../core/src/body/json-text.ts";
import { parseJsonBody } from "../../../core/src/body/json-body.ts";
import { isGatewayError, viewOf } from "gatewright";

const RUNS = { seed: 20_240_229, numRuns: 400 };
const WIDE = { maxDepth: 100, maxValues: 1_000_000 };

/** JSON text with white space, escapes and number spellings that no writer of ours would choose. */
function spell(value: unknown, gap: () => string, odd: () => boolean): string {
  if (typeof value === "string") return spellString(value, odd);
  if (Array.isArray(value))
    return `[${gap()}${value.map((item) => spell(item, gap, odd)).join(`${gap()},${gap()}`)}${gap()}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([name, item]) => `${spellString(name, odd)}${gap()}:${gap()}${spell(item, gap, odd)}`,
    );
    return `{${gap()}${members.join(`${gap()},${gap()}`)}${gap()}}`;
  }
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1e15 && odd())
    return `${Object.is(value, -0) ? "-0" : value}.0e0`;
  return JSON.stringify(value);
}

function spellString(text: string, odd: () => boolean): string {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const plain = JSON.stringify(text[i]).slice(1, -1);
    out += odd() ? `\\u${code.toString(16).padStart(4, "0")}` : plain;
  }
  return `"${out}"`;
}

const jsonObject = fc.dictionary(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.jsonValue({ maxDepth: 4 }),
  {
    maxKeys: 8,
    noNullPrototype: true,
  },
);

/** An object, its text in some spelling, and the text of each member. */
const spelled = fc
  .tuple(
    jsonObject,
    fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
    fc.array(fc.nat(3), { minLength: 1 }),
  )
  .map(([object, gaps, odds]) => {
    let g = 0;
    let o = 0;
    const gap = (): string => ["", " ", "\n\t", "  "][gaps[g++ % gaps.length]!]!;
    const odd = (): boolean => odds[o++ % odds.length] === 0;
    return { object, text: gap() + spell(object, gap, odd) + gap() };
  });

describe("scanJson", () => {
  it("finds the members of any object in any spelling, by name and by bytes", () => {
    fc.assert(
      fc.property(spelled, ({ text }) => {
        const bytes = Buffer.from(text);
        const object = JSON.parse(text) as Record<string, unknown>;
        const fields = scanJson(bytes);
        const names = memberNames(bytes, fields);
        expect(new Set(names)).toEqual(new Set(Object.keys(object)));
        expect(String(bytes.subarray(fields.open, fields.open + 1))).toBe("{");
        expect(String(bytes.subarray(fields.close, fields.close + 1))).toBe("}");
        for (const [n, name] of names.entries()) {
          const value = bytes.subarray(fields.spans[n * 4 + 2], fields.spans[n * 4 + 3]);
          expect(JSON.parse(String(value))).toEqual(object[name]);
        }
      }),
      RUNS,
    );
  });

  it("allows exactly the depth and the count of values that a walk of the parsed value finds", () => {
    fc.assert(
      fc.property(spelled, ({ text }) => {
        const { depth, values } = measure(JSON.parse(text));
        const bytes = Buffer.from(text);
        expect(() => scanJson(bytes, { maxDepth: depth, maxValues: values })).not.toThrow();
        expect(() => scanJson(bytes, { maxDepth: depth - 1, maxValues: values })).toThrow(
          expect.objectContaining({ code: "json_too_deep" }),
        );
        expect(() => scanJson(bytes, { maxDepth: depth, maxValues: values - 1 })).toThrow(
          expect.objectContaining({ code: "json_too_large" }),
        );
      }),
      RUNS,
    );
  });

  it("tells how deep a text is nested, and what a parse of it weighs", () => {
    const of = (text: string): [number, number] => {
      const { depth, weight } = scanJson(Buffer.from(text));
      return [depth, weight];
    };
    expect(of("1")).toEqual([0, 1]);
    expect(of("[]")).toEqual([1, 8]);
    expect(of("[1,2,[3]]")).toEqual([2, 8 + 1 + 1 + 8 + 1]);
    expect(of('{"a":1,"b":{}}')).toEqual([2, 8 + 4 + 1 + 4 + 8]);
  });

  it("looks for 10,000 members of an object at most", () => {
    const members = (count: number): Buffer =>
      Buffer.from(`{${Array.from({ length: count }, (_, n) => `"k${n}":[${n}]`).join(",")}}`);
    expect(scanJson(members(10_000)).count).toBe(40_000);
    expect(() => scanJson(members(10_001))).toThrow(expect.objectContaining({ code: "json_too_large" }));
    // Inside of another nobody looks for them.
    expect(scanJson(Buffer.from(`[${String(members(10_001))}]`)).count).toBe(0);
  });

  it("reads long strings with escapes to their true end", () => {
    for (const tail of ["", "\\", '"', '\\"', "\\\\", '\\\\"']) {
      const text = JSON.stringify({ a: "x".repeat(100) + tail, b: [tail.repeat(60)], c: 1 });
      const bytes = Buffer.from(text);
      expect(memberNames(bytes, scanJson(bytes))).toEqual(["a", "b", "c"]);
    }
  });

  it("accepts exactly what `JSON.parse` accepts", () => {
    const accepts = (read: () => unknown): boolean => {
      try {
        read();
        return true;
      } catch {
        return false;
      }
    };
    const agree = (text: string): void => {
      const expected = accepts(() => JSON.parse(text));
      expect({ text, accepted: accepts(() => scanJson(Buffer.from(text))) }).toEqual({
        text,
        accepted: expected,
      });
    };
    for (const text of [
      "",
      " ",
      "01",
      "-",
      "-0",
      "1.",
      ".5",
      "1e",
      "1E+9",
      "tru",
      "nul",
      "[1,]",
      '{"a":1,}',
      "{,}",
      '{"a"}',
      "[}",
      '"\t"',
      '"\\x"',
      '"\\u12g4"',
      '"\\ud83d"',
      "1 2",
      "{}{}",
      "\ufeff{}",
      "[1]//",
      "NaN",
    ])
      agree(text);
    // One character of a valid text replaced, put in or taken out: most are broken then, some are not.
    const places = fc.tuple(spelled, fc.nat(), fc.constantFrom(...'{}[],:"\\ue0.-+1tn \n\u0001x'), fc.nat(2));
    fc.assert(
      fc.property(places, ([{ text }, at, character, how]) => {
        const index = at % (text.length + 1);
        agree(text.slice(0, index) + (how < 2 ? character : "") + text.slice(index + (how > 0 ? 1 : 0)));
      }),
      { ...RUNS, numRuns: 4_000 },
    );
    fc.assert(fc.property(fc.string({ maxLength: 60 }), agree), RUNS);
  });

  it("accepts exactly what JSON.parse accepts, of texts that are JSON but for some characters", () => {
    const marks = [
      '"',
      "\\",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "-",
      "+",
      ".",
      "e",
      "0",
      "7",
      "01",
      "/",
      "'",
      " ",
    ];
    const words = ["null", "tru", "NaN", "\\u12", "\\u00e9", "\\x", "é", "😀"];
    const spaces = ["\0", "\n", "\t", "\x7f", "\u2028", "\ufeff", "\u00a0"];
    const piece = fc.constantFrom(...marks, ...words, ...spaces);
    const change = fc.record({ at: fc.nat(), cut: fc.nat(2), put: fc.option(piece, { nil: "" }) });
    fc.assert(
      fc.property(spelled, fc.array(change, { maxLength: 3 }), ({ text }, changes) => {
        let changed = text;
        for (const { at, cut, put } of changes) {
          const from = at % (changed.length + 1);
          changed = changed.slice(0, from) + put + changed.slice(from + cut);
        }
        const bytes = Buffer.from(changed);
        expect(
          isAccepted(() => scanJson(bytes, WIDE)),
          changed,
        ).toBe(isAccepted(() => JSON.parse(String(bytes))));
      }),
      { ...RUNS, numRuns: 4_000 },
    );
  });

  it("ends on any bytes at all: accepted or refused, and never beyond its input", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(isAccepted(() => scanJson(bytes, WIDE))).toBe(
          isAccepted(() => JSON.parse(String(Buffer.from(bytes)))),
        );
      }),
      RUNS,
    );
  });
});

describe("a part of a text", () => {
  const surroundings = fc.string({ unit: fc.constantFrom(...'{}[],:"\\e0 x'), maxLength: 6 });
  const broken = fc.constantFrom("{", '{"a":[1,2', '{"a":1,"b":tru', '{"a":1]', '"', "[[", "");

  it("is read as it would be alone, whatever stands around it", () => {
    fc.assert(
      fc.property(surroundings, spelled, surroundings, (before, { text }, after) => {
        const bytes = Buffer.from(before + text + after);
        const fields = scanJson(bytes, WIDE, before.length, before.length + Buffer.byteLength(text));
        const alone = Buffer.from(text);
        expect(memberNames(bytes, fields)).toEqual(memberNames(alone, scanJson(alone)));
      }),
      RUNS,
    );
  });

  it("is refused where it needs what stands behind it", () => {
    for (const whole of ['{"a":true}', '{"a":"b"}', '{"a":[1]}', '{"a":12}', "[null]", '"ab"'])
      for (let end = 0; end < whole.length; end++)
        expect(
          isAccepted(() => scanJson(Buffer.from(whole), WIDE, 0, end)),
          whole.slice(0, end),
        ).toBe(false);
  });

  it("is seen in passing as it is read, and what was seen of another before leaves no trace", () => {
    const watch = Buffer.from("a");
    fc.assert(
      fc.property(fc.array(fc.oneof(spelled, broken), { minLength: 1, maxLength: 6 }), (texts) => {
        for (const each of texts) {
          if (typeof each === "string") {
            const bytes = Buffer.from(each);
            expect(isAccepted(() => glanceJson(bytes, 0, bytes.length, watch))).toBe(false);
            continue;
          }
          const bytes = Buffer.from(`data: ${each.text}\n`);
          const [from, end] = [6, bytes.length - 1];
          const kept = scanJson(bytes, WIDE, from, end);
          const seen = glanceJson(bytes, from, end, watch);
          expect([seen.open, seen.close, seen.count]).toEqual([kept.open, kept.close, kept.count]);
          expect(seen.spans.slice(0, seen.count)).toEqual(kept.spans);
          for (const name of ["a", "", "model", ...memberNames(bytes, kept)])
            expect(findMember(bytes, seen, name)).toBe(findMember(bytes, kept, name));
          // One that is spelled with escapes may be taken for it as well.
          if (hasMember(each.object, "a")) expect(seen.watched).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it("tells at any depth of a watched member that is not null, and of no other", () => {
    const watched = (text: string): boolean =>
      glanceJson(Buffer.from(text), 0, Buffer.byteLength(text), Buffer.from("finish_reason")).watched;
    expect(watched('{"choices":[{"finish_reason":null}],"finish_reasons":1,"finish":"finish_reason"}')).toBe(
      false,
    );
    expect(watched('{"choices":[{"delta":{}},{"finish_reason" : "stop"}]}')).toBe(true);
    expect(watched('{"choices":[{"finish\\u005freason":"stop"}]}')).toBe(true);
  });

  it("keeps no memory of what was very large, seen in passing or refused at its end", () => {
    const members = Array.from({ length: 10_000 }, (_, n) => `"k${n}":0`).join(",");
    const small = Buffer.from('{"a":1}');
    for (const large of [`{${members}}`, `{${members},}`]) {
      const bytes = Buffer.from(large);
      isAccepted(() => glanceJson(bytes, 0, bytes.length, Buffer.from("x")));
      isAccepted(() => scanJson(bytes));
      expect(glanceJson(small, 0, small.length, Buffer.from("x")).spans.length).toBeLessThan(5_000);
    }
  });
});

/** Some member of this name, at any depth, is not null. */
function hasMember(value: unknown, name: string): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(
    ([key, item]) => (!Array.isArray(value) && key === name && item !== null) || hasMember(item, name),
  );
}

describe("a member", () => {
  it("is found by its name, in whatever characters, and by no other", () => {
    fc.assert(
      fc.property(spelled, fc.string({ unit: "binary", maxLength: 3 }), ({ text }, other) => {
        const bytes = Buffer.from(text);
        const object = JSON.parse(text) as Record<string, unknown>;
        const fields = scanJson(bytes);
        for (const name of [...Object.keys(object), other]) {
          const found = memberText(bytes, fields, name);
          expect(found === undefined).toBe(!Object.hasOwn(object, name));
          if (found) expect(JSON.parse(String(found))).toEqual(object[name]);
        }
      }),
      RUNS,
    );
    // The bytes of the first, read one by one, are the second.
    const bytes = Buffer.from('{"é":"é"}');
    expect(findMember(bytes, scanJson(bytes), "é")).toBe(0);
    expect(findMember(bytes, scanJson(bytes), "Ã©")).toBe(-1);
    expect(isMemberText(bytes, scanJson(bytes), "é", "Ã©")).toBe(false);
  });
});

/** False when the text was refused, which is the only way for a reader to fail. */
function isAccepted(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(isGatewayError(error) && error.code === "invalid_json"))
      throw error;
    return false;
  }
}

describe("editJson", () => {
  const edits = fc.dictionary(
    fc.oneof(fc.constantFrom("model", "stream_options", "a", ""), fc.string({ maxLength: 4 })),
    fc.option(fc.jsonValue({ maxDepth: 1 }), { nil: undefined }),
    { maxKeys: 4, noNullPrototype: true },
  );

  it("gives the object with the edits, and leaves the bytes of every other member alone", () => {
    fc.assert(
      fc.property(spelled, edits, fc.array(fc.nat(7), { maxLength: 3 }), ({ text }, changes, picks) => {
        const bytes = Buffer.from(text);
        const object = JSON.parse(text) as Record<string, unknown>;
        const fields = scanJson(bytes);
        const names = memberNames(bytes, fields);
        const all = new Map(Object.entries(changes));
        // Members that are there are changed or removed as well.
        for (const pick of picks)
          if (names[pick] !== undefined) all.set(names[pick], pick % 2 ? undefined : pick);
        const texts: Record<string, string | undefined> = Object.create(null) as Record<string, undefined>;
        const expected = new Map(Object.entries(object));
        for (const [name, value] of all) {
          texts[name] = value === undefined ? undefined : JSON.stringify(value);
          if (value === undefined) expected.delete(name);
          else expected.set(name, JSON.parse(texts[name]!) as unknown);
        }
        const edited = editJson(bytes, fields, texts);
        expect(new Map(Object.entries(JSON.parse(String(edited)) as object))).toEqual(expected);
        const untouched = names.flatMap((name, n) =>
          all.has(name) ? [] : [String(bytes.subarray(fields.spans[n * 4], fields.spans[n * 4 + 3]))],
        );
        const after = scanJson(edited);
        const kept = memberNames(edited, after).flatMap((name, n) =>
          all.has(name) ? [] : [String(edited.subarray(after.spans[n * 4], after.spans[n * 4 + 3]))],
        );
        expect(kept).toEqual(untouched);
      }),
      RUNS,
    );
  });

  it("changes or removes every one of a repeated member, of which readers may take any", () => {
    const edit = (text: string, edits: Record<string, string | undefined>): string =>
      String(editJson(Buffer.from(text), scanJson(Buffer.from(text)), edits));
    const text = '{"model":"a","n":1,"model":"b","m\\u006fdel":"c"}';
    expect(edit(text, { model: '"x"' })).toBe('{"model":"x","n":1,"model":"x","m\\u006fdel":"x"}');
    expect(edit(text, { model: undefined })).toBe('{"n":1}');
    expect(edit('{"a":1,"a":2}', { a: undefined, b: "3" })).toBe('{"b":3}');
  });

  it("changes nothing without edits", () => {
    const bytes = Buffer.from(' { "a" : 1e0 , "b":[ ] } ');
    expect(String(editJson(bytes, scanJson(bytes), {}))).toBe(String(bytes));
  });
});

describe("parseJsonBody", () => {
  const codeOf = (text: string | Uint8Array, bounds = WIDE): string => {
    try {
      parseJsonBody(Buffer.from(text as Uint8Array), bounds);
      return "accepted";
    } catch (error) {
      if (!isGatewayError(error)) throw error;
      expect(error.status).toBe(400);
      return error.code;
    }
  };

  it("J4: refuses a member given twice, also where one is spelled by escapes", () => {
    expect(codeOf('{"model":"a","model":"b"}')).toBe("duplicate_field");
    expect(codeOf('{"model":"a","\\u006dodel":"b"}')).toBe("duplicate_field");
    expect(codeOf('{"__proto__":1,"__proto__":2}')).toBe("duplicate_field");
    expect(codeOf('{"a":{"b":1,"b":2}}')).toBe("accepted");
  });

  it("takes a list where the operation has a member for it, and nothing else that is no object", () => {
    const read = (text: string): unknown => parseJsonBody(Buffer.from(text), WIDE, "list").json;
    expect(read(' [1, {"a": 2}] ')).toEqual({ list: [1, { a: 2 }] });
    expect(read('{"a":1}')).toEqual({ a: 1 });
    expect(codeOf("[1]")).toBe("invalid_json");
    for (const text of ["7", '"[]"', "null", "[1", "[1] 2"])
      expect(() => read(text), text).toThrow(expect.objectContaining({ code: "invalid_json" }));
  });

  it("J4: finds the one repeated member among 10,000 without comparing each with each", () => {
    const members = Array.from({ length: 9_999 }, (_, n) => `"k${n}":1`);
    expect(codeOf(`{${members.join(",")},"k9998":2}`)).toBe("duplicate_field");
  });

  it("J5: a member named __proto__ is data, and stays data when another member changes", () => {
    const body = parseJsonBody(Buffer.from('{"__proto__":{"x":1},"model":"a"}'), WIDE).with({ model: "b" });
    expect(({} as { x?: number }).x).toBeUndefined();
    expect(Object.getPrototypeOf(body.json)).toBe(Object.prototype);
    expect(String(body.bytes)).toBe('{"__proto__":{"x":1},"model":"b"}');
  });

  it.each([
    ['""', true],
    ["[]", true],
    ["{}", true],
    ["[ \r\n\t]", true],
    ["{\n}", true],
    ['" "', false],
    ['"\\u0000"', false],
    ["[[]]", false],
    ["[ 0 ]", false],
    ['{"":0}', false],
    ["0", false],
    ["null", false],
    ["false", false],
  ])("tells of %j whether it is empty: %s", (value, empty) => {
    const body = parseJsonBody(Buffer.from(`{"a":1,"x": ${value} ,"b":2}`), WIDE);
    expect([body.isEmpty("x"), body.isEmpty("y")]).toEqual([empty, false]);
    const parsed = JSON.parse(value) as unknown;
    const changed = body.with({ x: undefined, y: parsed });
    expect([changed.isEmpty("x"), changed.isEmpty("y"), viewOf({ y: parsed }).isEmpty("y")]).toEqual([
      false,
      empty,
      empty,
    ]);
  });

  it("keeps the last of several changes, and the bytes of all else", () => {
    const text = '{"model":"a", "n" : 1.0,\n"x":"\\u00e9"}';
    const body = parseJsonBody(Buffer.from(text), WIDE);
    expect(body.bytes).toEqual(Buffer.from(text));
    const changed = body.with({ model: "b", n: undefined }).with({ model: "c", y: [1] });
    expect(String(changed.bytes)).toBe('{"model":"c",\n"x":"\\u00e9","y":[1]}');
    expect(changed.json).toEqual({ model: "c", x: "é", y: [1] });
    expect(body.json).toEqual({ model: "a", n: 1, x: "é" });
  });
});

function measure(value: unknown): { depth: number; values: number } {
  if (typeof value !== "object" || value === null) return { depth: 0, values: 1 };
  const items = Object.values(value).map(measure);
  return {
    depth: 1 + Math.max(0, ...items.map(({ depth }) => depth)),
    values:
      1 + (Array.isArray(value) ? 0 : items.length) + items.reduce((sum, { values }) => sum + values, 0),
  };
}
