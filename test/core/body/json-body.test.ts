import { expect, it } from "vitest";
import { parseJsonBody } from "../../../core/src/body/json-body.ts";

const BOUNDS = { maxDepth: 64, maxValues: 1_000 };
const body = (json: unknown) => parseJsonBody(Buffer.from(JSON.stringify(json)), BOUNDS);

it("tells which names stand in it at any depth", () => {
  const history = body({ model: "m", messages: [{ role: "assistant", thinking_blocks: [] }], reasoning: 1 });
  expect(history.mayHoldKey("thinking_blocks")).toBe(true);
  expect(history.mayHoldKey("reasoning")).toBe(true);
  expect(history.mayHoldKey("extra_content")).toBe(false);
  // As long as names that are there, or as one longer by 32, which its sieve takes for the same.
  expect(history.mayHoldKey("roll")).toBe(false);
  expect(history.mayHoldKey(`role${"x".repeat(32)}`)).toBe(false);
});

it("tells it of changes as well", () => {
  const changed = body({ model: "m", messages: [] }).with({
    messages: [{ extra_content: {} }],
    tools: undefined,
  });
  expect(changed.mayHoldKey("extra_content")).toBe(true);
  expect(changed.mayHoldKey("reasoning_content")).toBe(false);
});

it("tells which texts begin so, in what came and in changes", () => {
  const history = body({ messages: [{ content: [{ signature: "markAbc" }] }], note: "a mark" });
  expect(history.mayHoldText("mark")).toBe(true);
  expect(history.mayHoldText("Abc")).toBe(false);
  const changed = history.with({ messages: [{ signature: "sealed" }] });
  expect([changed.mayHoldText("mark"), changed.mayHoldText("sealed")]).toEqual([false, true]);
});

it("reads every model as JSON.parse does, whatever models were read before", () => {
  const names = [
    "aa",
    "ab",
    "ab",
    "é",
    "a",
    '"',
    "\\n",
    "",
    "a".repeat(32),
    "b".repeat(32),
    "aé",
    "ab",
    "🦙",
    "ba",
  ];
  const texts = names.flatMap((name) => [
    JSON.stringify({ model: name }),
    // The same name, spelled by escapes.
    `{"model":"${[...name]
      .flatMap((one) => one.split(""))
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("")}"}`,
  ]);
  const others = ['{"model":12}', '{"model":["ab"]}', '{"model":null}', "{}"];
  for (const text of [...texts, ...others, ...texts.toReversed()]) {
    const expected = (JSON.parse(text) as { model?: unknown }).model;
    expect({ text, model: parseJsonBody(Buffer.from(text), BOUNDS).get("model") }).toEqual({
      text,
      model: expected,
    });
  }
});
