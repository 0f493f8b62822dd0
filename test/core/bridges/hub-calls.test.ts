import fc from "fast-check";
import { HubCallReader, isWholeInput, readHubCalls } from "gatewright";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";

/** A piece as it stands in `tool_calls` of a delta. */
function piece(args: string, head: { index?: number; id?: string; name?: string } = {}): JsonObject {
  const { name, ...rest } = head;
  return { ...rest, function: { ...(name !== undefined && { name }), arguments: args } };
}

type Call = [id: string | undefined, name: string | undefined, input: string];

/** Each list is the `tool_calls` of one delta. */
function read(...deltas: JsonObject[][]): Call[] {
  const reader = new HubCallReader();
  for (const delta of deltas) reader.read(delta);
  expect(reader.calls.map(({ position }) => position)).toEqual([...reader.calls.keys()]);
  return reader.calls.map(({ id, name, input }) => [id, name, input]);
}

const A: Call = ["a", "f", '{"x":1}'];
const B: Call = ["b", "g", '{"y":2}'];

describe("in-3: pieces of tool calls", () => {
  const named = { id: "a", name: "f" };
  const cases: [what: string, deltas: JsonObject[][], calls: Call[]][] = [
    [
      "by the index, woven",
      [
        [piece("", { index: 0, ...named })],
        [piece('{"y"', { index: 1, id: "b", name: "g" })],
        [piece('{"x":1}', { index: 0 })],
        [piece(":2}", { index: 1 })],
      ],
      [A, B],
    ],
    [
      "by indices with gaps",
      [
        [piece('{"x":1}', { index: 2, ...named })],
        [piece("", { index: 5, id: "b", name: "g" })],
        [piece('{"y":2}', { index: 5 })],
      ],
      [A, B],
    ],
    ["without any index", [[piece("", named)], [piece('{"x"')], [piece(":1}")]], [A]],
    [
      "one after the other, without any index",
      [[piece("", named)], [piece('{"x":1}')], [piece('{"y"', { id: "b", name: "g" })], [piece(":2}")]],
      [A, B],
    ],
    [
      "woven, by the id alone",
      [
        [piece('{"x"', named)],
        [piece('{"y"', { id: "b", name: "g" })],
        [piece(":1}", { id: "a" })],
        [piece(":2}", { id: "b" })],
      ],
      [A, B],
    ],
    [
      "without index and id, by the name",
      [[piece('{"x":1}', { name: "f" })], [piece('{"y"', { name: "g" })], [piece(":2}")]],
      [
        [undefined, "f", '{"x":1}'],
        [undefined, "g", '{"y":2}'],
      ],
    ],
    [
      "twice the same function, without index and id, the first whole",
      [[piece('{"x":1}', { name: "f" })], [piece('{"x":2}', { name: "f" })]],
      [
        [undefined, "f", '{"x":1}'],
        [undefined, "f", '{"x":2}'],
      ],
    ],
    [
      "several in one delta, without index and id, by their order",
      [
        [piece("", { name: "f" }), piece("", { name: "f" })],
        [piece('{"x":1}'), piece('{"x":2}')],
      ],
      [
        [undefined, "f", '{"x":1}'],
        [undefined, "f", '{"x":2}'],
      ],
    ],
    [
      "all with the index 0, another id each",
      [
        [piece('{"x":1}', { index: 0, ...named })],
        [piece("", { index: 0, id: "b", name: "g" })],
        [piece('{"y":2}', { index: 0 })],
      ],
      [A, B],
    ],
    [
      "all with the index 0, woven by their ids",
      [
        [piece("", { index: 0, ...named })],
        [piece("", { index: 0, id: "b", name: "g" })],
        [piece('{"x":1}', { index: 0, id: "a" })],
        [piece('{"y":2}', { index: 0, id: "b" })],
      ],
      [A, B],
    ],
    [
      "all with the index 0 and empty ids, each whole",
      [
        [piece('{"x":1}', { index: 0, id: "", name: "f" })],
        [piece('{"x":2}', { index: 0, id: "", name: "f" })],
      ],
      [
        [undefined, "f", '{"x":1}'],
        [undefined, "f", '{"x":2}'],
      ],
    ],
    [
      "which repeat id and name",
      [
        [piece('{"x"', { index: 0, ...named })],
        [piece(":1}", { index: 0, ...named })],
        [piece("", { index: 0, ...named })],
      ],
      [A],
    ],
    ["which repeat id and name, without an index", [[piece('{"x"', named)], [piece(":1}", named)]], [A]],
    [
      "with a new id in each",
      [[piece('{"x"', { index: 0, ...named })], [piece(":1}", { index: 0, id: "made-up" })]],
      [A],
    ],
    [
      "whose names come last, without an index",
      [
        [piece('{"x"', { id: "a" })],
        [piece(":1}", { id: "a" })],
        [piece("", { id: "a", name: "f" })],
        [piece("", { id: "b" })],
        [piece('{"y"', { id: "b" })],
        [piece(":2}", { id: "b" })],
        [piece("", { id: "b", name: "g" })],
      ],
      [A, B],
    ],
    ["with an index only later", [[piece('{"x"', named)], [piece(":1}", { index: 0 })]], [A]],
    [
      "with the id only later",
      [[piece('{"x"', { index: 0, name: "f" })], [piece(":1}", { index: 0, id: "a" })]],
      [A],
    ],
    [
      "whose servers give all calls one id, by the index",
      [
        [piece('{"x":1}', { index: 0, id: "a", name: "f" })],
        [piece('{"x"', { index: 1, id: "a", name: "f" })],
        [piece(":2}", { index: 1, id: "a" })],
      ],
      [A, ["a", "f", '{"x":2}']],
    ],
    [
      "of calls without arguments",
      [[piece("", { index: 0, ...named })], [piece("", { index: 1, id: "b", name: "f" })]],
      [
        ["a", "f", ""],
        ["b", "f", ""],
      ],
    ],
  ];
  it.each(cases)("are put together %s", (_, deltas, calls) => {
    expect(read(...deltas)).toEqual(calls);
  });

  it("keep what a vendor wants back, and the kind of a tool that takes plain text", () => {
    const extra_content = { google: { thought_signature: "s" } };
    const reader = new HubCallReader();
    reader.read([
      { index: 0, id: "a", type: "custom", custom: { name: "shell", input: "l" }, extra_content },
    ]);
    const [last] = reader.read([{ index: 0, custom: { input: "s }" } }]);
    expect(last).toEqual({
      input: "s }",
      call: { position: 0, type: "custom", id: "a", name: "shell", input: "ls }", extra: extra_content },
    });
  });

  it("lose nothing, however they are cut and woven, by index or by id", () => {
    const input = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 });
    fc.assert(
      fc.property(
        fc.array(input, { minLength: 1, maxLength: 4 }),
        fc.constantFrom("index", "id", "both"),
        fc.infiniteStream(fc.nat(9)),
        (inputs, by, dice) => {
          const headOf = (at: number): { index?: number; id?: string } => ({
            ...(by !== "id" && { index: at }),
            ...(by !== "index" && { id: `c${at}` }),
          });
          const left = inputs.map((value, at) => {
            const text = JSON.stringify(value);
            const cut = dice.next().value % (text.length + 1);
            return [piece(text.slice(0, cut), { ...headOf(at), id: `c${at}`, name: "f" })].concat(
              piece(text.slice(cut), headOf(at)),
            );
          });
          const deltas: JsonObject[][] = [];
          while (left.some((pieces) => pieces.length > 0)) {
            const next = left[dice.next().value % left.length]!.shift();
            if (next) deltas.push([next]);
          }
          const calls = new Map(read(...deltas).map(([id, , text]) => [id, text]));
          expect(inputs.map((_, at) => calls.get(`c${at}`))).toEqual(
            inputs.map((value) => JSON.stringify(value)),
          );
          expect(calls.size).toBe(inputs.length);
        },
      ),
      { seed: 5 },
    );
  });
});

describe("calls of a whole message", () => {
  it("come in their order, with arguments as text or as the object itself", () => {
    const calls = readHubCalls([
      { id: "a", type: "function", function: { name: "f", arguments: '{"x":1}' } },
      { id: "", function: { name: "g", arguments: { y: 2 } } },
      { type: "custom", custom: { name: "shell", input: "ls" } },
    ]);
    const rest = { extra: undefined };
    expect(calls).toEqual([
      { position: 0, type: "function", id: "a", name: "f", input: '{"x":1}', ...rest },
      { position: 1, type: "function", id: undefined, name: "g", input: '{"y":2}', ...rest },
      { position: 2, type: "custom", id: undefined, name: "shell", input: "ls", ...rest },
    ]);
  });
});

it.each([
  ["{}", true],
  [' {"a":{}} \n', true],
  ["", false],
  ['{"a":{}', false],
  ["[1]", false],
  ['"}"', false],
  ["12", false],
])("arguments %j: whole is %s", (text, whole) => {
  expect(isWholeInput(text)).toBe(whole);
});
