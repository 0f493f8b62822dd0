import { createReasoningEfforts, effortOfBudget, nearestEffort, REASONING_EFFORTS } from "gatewright";
import { describe, expect, it } from "vitest";

describe("the efforts that a model takes", () => {
  const reasoningEfforts = { "qwen3:*": ["low"], "qwen*": ["medium"], "gpt-5*": ["high"] } as const;

  it("are by the user's patterns first, in their order, then by the adapter's; a dot is a dot", () => {
    const own = createReasoningEfforts({ "qwen3.5*": ["high"], "qwen3x*": ["none", "low"], "gpt-5*": [] });
    const of = (model: string) => own({ model, reasoningEfforts });
    expect(of("qwen3.5:8b")).toEqual(["high"]);
    expect(of("qwen3x5")).toEqual(["none", "low"]);
    expect(of("gpt-5")).toEqual([]);
    expect(of("qwen3:8b")).toEqual(["low"]);
    expect(of("qwen2.5:7b")).toEqual(["medium"]);
    expect(of("llama3")).toEqual([]);
  });

  it("are found behind a publisher's name, whatever the case", () => {
    const effortsOf = createReasoningEfforts();
    expect(effortsOf({ model: "openai/GPT-5-mini", reasoningEfforts })).toEqual(["high"]);
    expect(effortsOf({ model: "gpt-5" })).toEqual([]);
  });
});

describe("the nearest effort", () => {
  it.each([
    ["low", ["low", "high"], "low", true],
    ["medium", ["low", "high"], "low", false],
    ["max", ["none", "low", "medium"], "medium", false],
    ["none", ["minimal", "low"], "minimal", false],
    ["none", [], undefined, true],
    ["low", [], undefined, false],
  ] as const)("to %s of %j is %s, exact: %s", (wanted, efforts, effort, exact) => {
    expect(nearestEffort(wanted, efforts)).toEqual({ effort, exact });
  });

  it("is each of all", () => {
    for (const wanted of REASONING_EFFORTS)
      expect(nearestEffort(wanted, REASONING_EFFORTS)).toEqual({ effort: wanted, exact: true });
  });
});

it.each([
  [0, "none"],
  [1, "low"],
  [4_095, "low"],
  [4_096, "medium"],
  [16_383, "medium"],
  [16_384, "high"],
])("a budget of %i tokens is %s", (tokens, effort) => {
  expect(effortOfBudget(tokens)).toBe(effort);
});
