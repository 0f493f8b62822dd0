import { createReasoningEfforts, effortOfBudget, nearestEffort, REASONING_EFFORTS } from "gatewright";
import { describe, expect, it } from "vitest";

const effortsOf = createReasoningEfforts();

describe("the efforts that a model takes", () => {
  // What OpenAI's API says of each: "Supported values are: …", or that the parameter is not supported.
  it.each([
    ["gpt-4.1", []],
    ["gpt-4o-2024-08-06", []],
    ["gpt-5", ["minimal", "low", "medium", "high"]],
    ["gpt-5-mini", ["minimal", "low", "medium", "high"]],
    ["gpt-5-nano-2025-08-07", ["minimal", "low", "medium", "high"]],
    ["gpt-5-pro", ["high"]],
    ["gpt-5-chat-latest", []],
    ["gpt-5-codex", ["low", "medium", "high"]],
    ["gpt-5.1", ["none", "low", "medium", "high"]],
    ["gpt-5.1-codex-max", ["low", "medium", "high", "xhigh"]],
    ["gpt-5.2", ["none", "low", "medium", "high", "xhigh"]],
    ["gpt-5.2-chat-latest", ["medium"]],
    ["gpt-5.2-pro", ["medium", "high", "xhigh"]],
    ["gpt-5.4-mini", ["none", "low", "medium", "high", "xhigh"]],
    ["gpt-5.5-pro", ["medium", "high", "xhigh"]],
    ["o1", ["low", "medium", "high"]],
    ["o3-mini", ["low", "medium", "high"]],
    ["o4-mini", ["low", "medium", "high"]],
    ["openai/gpt-oss-120b", ["low", "medium", "high"]],
    ["GPT-OSS:20b", ["low", "medium", "high"]],
    ["qwen3:8b", []],
  ])("%s: %j", (model, efforts) => {
    expect(effortsOf(model)).toEqual(efforts);
  });

  it("are by the user's patterns first, in their order; a dot is a dot", () => {
    const own = createReasoningEfforts({ "qwen3.5*": ["high"], "qwen*": ["none", "low"], "gpt-5*": [] });
    expect(own("qwen3.5:8b")).toEqual(["high"]);
    expect(own("qwen3x5")).toEqual(["none", "low"]);
    expect(own("gpt-5")).toEqual([]);
    expect(own("o3")).toEqual(["low", "medium", "high"]);
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
