import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createChunkText } from "../../../core/src/operations/chunk-text.ts";

const RUNS = { seed: 20_251_121, numRuns: 1_000 };

/** Few values each, so that chunks of one stream share them, and sometimes do not. */
const member = {
  id: fc.constantFrom("chatcmpl-1", "chatcmpl-2", 'a "quoted" \u2028 name', ""),
  object: fc.constantFrom("chat.completion.chunk", "other"),
  created: fc.oneof(fc.constantFrom(1, 1_700_000_000, 0, -0), fc.double(), fc.constant(null)),
  model: fc.constantFrom("m", "org/model:7b", "\ud800"),
};
const delta = fc.oneof(
  fc.record({ content: fc.string({ unit: "binary" }) }),
  fc.record({ role: fc.constant("assistant"), content: fc.constant(null), toJSON: fc.constant("x") }),
  fc.jsonValue(),
);
const choice = fc.record(
  {
    index: fc.constantFrom<unknown>(0, 1, -0, 1.5, "0", null),
    delta,
    finish_reason: fc.constantFrom<unknown>(null, "stop", undefined),
    logprobs: fc.jsonValue(),
  },
  { requiredKeys: ["index", "delta"] },
);
const chunk = fc
  .record(
    { ...member, choices: fc.array(choice, { maxLength: 2 }), usage: fc.jsonValue() },
    { requiredKeys: ["id", "choices"] },
  )
  .chain((whole) =>
    fc
      .shuffledSubarray(Object.keys(whole))
      .chain((names) =>
        fc.constantFrom(
          whole,
          Object.fromEntries(names.map((name) => [name, whole[name as keyof typeof whole]])),
        ),
      ),
  );

describe("chunk texts", () => {
  it("are what JSON.stringify makes of any chunks, one after another", () => {
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const toText = createChunkText();
        for (const each of chunks) expect(toText(each)).toBe(JSON.stringify(each));
      }),
      RUNS,
    );
  });

  it("are the same for chunks that differ in one member of what most have in common", () => {
    const first = {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "m",
      choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: null }],
    };
    const toText = createChunkText();
    for (const changed of [
      {},
      { id: "chatcmpl-2" },
      { object: "chunk" },
      { created: 2 },
      { model: "n" },
      { choices: [{ index: 1, delta: { content: "Hi" }, finish_reason: null }] },
      { choices: [{ index: 0, delta: undefined, finish_reason: null }] },
      { choices: [{ index: 0, delta: null, finish_reason: null }] },
      { id: undefined },
    ]) {
      const each = { ...first, ...changed };
      expect(toText(each)).toBe(JSON.stringify(each));
    }
  });
});
