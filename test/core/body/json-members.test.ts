import { readJsonMembers } from "gatewright";
import { describe, expect, it } from "vitest";

function membersOf(text: string): [string, string][] {
  return [...readJsonMembers(Buffer.from(text))].map(([name, bytes]) => [name, bytes.toString()]);
}

describe("the members of a JSON object", () => {
  it.each<[string, [string, string][]]>([
    ["{}", []],
    [
      ' {"a" : 1.0 ,"b":{ "c":[1, 2] } } ',
      [
        ["a", "1.0"],
        ["b", '{ "c":[1, 2] }'],
      ],
    ],
    ['{"n":12345678901234567890}', [["n", "12345678901234567890"]]],
    [
      '{"\\u00fc":"\\n","ü ":"😀"}',
      [
        ["ü", '"\\n"'],
        ["ü ", '"😀"'],
      ],
    ],
    ['{"__proto__":{"x":1}}', [["__proto__", '{"x":1}']]],
  ])("of %s are the bytes that stand there", (text, members) => {
    expect(membersOf(text)).toEqual(members);
  });

  it.each(["", "[]", "7", '"a"', "null", '{"a":1', '{"a":1}}', "{a:1}", '{"a":01}'])(
    "%j has none: it is refused",
    (text) => {
      expect(() => membersOf(text)).toThrow(expect.objectContaining({ code: "invalid_json" }));
    },
  );

  it("a name that stands twice is refused, however it is spelled", () => {
    expect(() => membersOf('{"a":1,"\\u0061":2}')).toThrow(
      expect.objectContaining({ code: "duplicate_field", param: "a" }),
    );
  });
});
