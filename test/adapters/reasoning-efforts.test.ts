/** What front doors in other dialects learn of the models of each backend. */
import { adapters } from "@gatewright/adapters";
import { createReasoningEfforts } from "gatewright";
import { describe, expect, it } from "vitest";

async function effortsOf(adapter: string, model: string): Promise<readonly string[]> {
  const { reasoningEfforts } = (await adapters[adapter]!()).default;
  return createReasoningEfforts()({ model, reasoningEfforts });
}

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
  ])("%s: %j", async (model, efforts) => {
    expect(await effortsOf("openai", model)).toEqual(efforts);
  });
});

const EVERY = ["none", "low", "medium", "high", "xhigh", "max"];

it.each([
  ["openai-compatible", "openai/gpt-oss-120b", ["low", "medium", "high"]],
  ["openrouter", "anthropic/claude-sonnet-4.5", EVERY],
  ["groq", "openai/gpt-oss-20b", ["low", "medium", "high"]],
  ["azure", "gpt-5.1", ["none", "low", "medium", "high"]],
  ["ollama", "gpt-oss:20b", ["low", "medium", "high"]],
  ["anthropic", "claude-opus-4-5", EVERY],
  ["anthropic", "gpt-5", []],
  ["gemini", "gemini-2.5-flash", ["none", "minimal", "low", "medium", "high"]],
  ["vertex", "claude-sonnet-4-5", EVERY],
  ["vertex", "gemini-3-pro-preview", ["none", "minimal", "low", "medium", "high"]],
  ["cohere", "command-a-03-2025", []],
] as const)("%s, %s: %j", async (adapter, model, efforts) => {
  expect(await effortsOf(adapter, model)).toEqual(efforts);
});
