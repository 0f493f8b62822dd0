/** What `reasoning_effort` comes to at Bedrock, by the vendor of the model. */
import { createReasoningEfforts } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { toConverseRequest } from "../../adapters/src/_bedrock/chat-request.ts";
import bedrock, { BedrockOptions } from "../../adapters/src/bedrock.ts";

const user = { role: "user", content: "Hi" };

function converse(
  model: string,
  request: JsonObject,
  options: Partial<v.InferInput<typeof BedrockOptions>> = {},
): { body: JsonObject; dropped: readonly string[] } {
  const info: MappingInfo<v.InferOutput<typeof BedrockOptions>> = {
    operation: "chat",
    model,
    requestedModel: "client-model",
    stream: false,
    options: v.parse(BedrockOptions, { region: "eu-central-1", ...options }),
    requestId: "r-1",
    nowSeconds: 1,
    report: () => {},
    request,
  };
  const { body, dropped = [] } = toConverseRequest({ messages: [user], ...request }, info);
  const { messages: _, ...rest } = body;
  return { body: rest, dropped };
}

const thinking = (config: JsonObject) => ({ additionalModelRequestFields: { thinking: config } });
const budget = (tokens: number) => thinking({ type: "enabled", budget_tokens: tokens });
const SONNET_4 = "eu.anthropic.claude-sonnet-4-20250514-v1:0";
const SONNET_46 = "anthropic.claude-sonnet-4-6";
const OPUS_47 = "us.anthropic.claude-opus-4-7";
const NOVA = "us.amazon.nova-2-lite-v1:0";
const GPT_OSS = "openai.gpt-oss-120b-1:0";

describe("reasoning_effort at Bedrock", () => {
  it.each([
    ["a budget where the model knows no effort", SONNET_4, "low", budget(2_048)],
    ["more of it for more", SONNET_4, "max", budget(32_768)],
    ["none", SONNET_4, "none", thinking({ type: "disabled" })],
    [
      "effort and adaptive thinking",
      SONNET_46,
      "high",
      { ...thinking({ type: "adaptive" }), outputConfig: { effort: "high" } },
    ],
    [
      "the least that there is",
      OPUS_47,
      "minimal",
      { ...thinking({ type: "adaptive" }), outputConfig: { effort: "low" } },
    ],
    [
      "the config of Nova",
      NOVA,
      "medium",
      {
        additionalModelRequestFields: { reasoningConfig: { type: "enabled", maxReasoningEffort: "medium" } },
      },
    ],
    [
      "no thinking of Nova",
      NOVA,
      "none",
      { additionalModelRequestFields: { reasoningConfig: { type: "disabled" } } },
    ],
    ["the field of gpt-oss", GPT_OSS, "high", { additionalModelRequestFields: { reasoning_effort: "high" } }],
    [
      "Converse's own name for a profile that tells no vendor",
      "arn:aws:bedrock:eu-central-1:1:application-inference-profile/a1",
      "high",
      { outputConfig: { effort: "high" } },
    ],
  ])("is %s: %s, %s", (_, model, effort, body) => {
    expect(converse(model, { reasoning_effort: effort })).toEqual({ body, dropped: [] });
  });

  it.each([
    ["a vendor that takes none", "meta.llama4-maverick-17b-instruct-v1:0", "high", {}],
    ["Nova of the first version", "amazon.nova-pro-v1:0", "low", {}],
    ["Claude before it thought", "anthropic.claude-3-haiku-20240307-v1:0", "low", {}],
    [
      "a model that cannot be kept from it",
      "anthropic.claude-fable-5",
      "none",
      { outputConfig: { effort: "low" } },
    ],
    ["more than gpt-oss has", GPT_OSS, "max", { additionalModelRequestFields: { reasoning_effort: "high" } }],
  ])("is reported for %s: %s, %s", (_, model, effort, body) => {
    expect(converse(model, { reasoning_effort: effort })).toEqual({ body, dropped: ["reasoning_effort"] });
  });

  it("stays below the limit of tokens, of either name for it", () => {
    expect(converse(SONNET_4, { reasoning_effort: "high", max_tokens: 5_000 }).body).toEqual({
      inferenceConfig: { maxTokens: 5_000 },
      ...budget(3_976),
    });
    const inferenceConfig = { maxTokens: 4_096 };
    expect(converse(SONNET_4, { reasoning_effort: "high", inferenceConfig }).body).toEqual({
      inferenceConfig,
      ...budget(3_072),
    });
    expect(converse(SONNET_4, { reasoning_effort: "high", max_tokens: 1_500 })).toEqual({
      body: { inferenceConfig: { maxTokens: 1_500 } },
      dropped: ["reasoning_effort"],
    });
  });

  it("takes the budgets of the config", () => {
    const options = { thinkingBudgets: { low: 1_500 } };
    expect(converse(SONNET_4, { reasoning_effort: "low" }, options).body).toEqual(budget(1_500));
  });

  it("gives way to a call that is demanded, and to calls that were made without thinking", () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const forced = converse(SONNET_4, { reasoning_effort: "low", tools, tool_choice: "required" });
    expect(forced.dropped).toEqual(["reasoning_effort"]);
    const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } };
    const messages = (rest: JsonObject) => [
      user,
      { role: "assistant", content: null, tool_calls: [call], ...rest },
      { role: "tool", tool_call_id: "c1", content: "ok" },
    ];
    const asked = { reasoning_effort: "low", tools };
    expect(converse(SONNET_4, { ...asked, messages: messages({}) }).dropped).toEqual(["reasoning_effort"]);
    const thinking_blocks = [{ type: "thinking", thinking: "Hm", signature: "s" }];
    expect(converse(SONNET_4, { ...asked, messages: messages({ thinking_blocks }) })).toMatchObject({
      body: budget(2_048),
      dropped: [],
    });
  });

  it("leaves out the sampling that does not go with it", () => {
    const sampling = { temperature: 0.5, top_p: 0.97, top_k: 20 };
    expect(converse(SONNET_46, { reasoning_effort: "low", ...sampling })).toMatchObject({
      body: {
        inferenceConfig: { topP: 0.97 },
        additionalModelRequestFields: { thinking: { type: "adaptive" } },
      },
      dropped: ["temperature", "top_k"],
    });
    expect(converse(SONNET_46, sampling)).toEqual({
      body: {
        inferenceConfig: { temperature: 0.5, topP: 0.97 },
        additionalModelRequestFields: { top_k: 20 },
      },
      dropped: [],
    });
    expect(converse(OPUS_47, sampling)).toEqual({ body: {}, dropped: ["temperature", "top_p", "top_k"] });
  });

  it("is less of Nova where the tokens are limited, as its most goes with no limit and no sampling", () => {
    const config = (maxReasoningEffort: string) => ({
      reasoningConfig: { type: "enabled", maxReasoningEffort },
    });
    expect(converse(NOVA, { reasoning_effort: "high", max_tokens: 100, temperature: 0.5 })).toEqual({
      body: {
        inferenceConfig: { maxTokens: 100, temperature: 0.5 },
        additionalModelRequestFields: config("medium"),
      },
      dropped: ["reasoning_effort"],
    });
    expect(converse(NOVA, { reasoning_effort: "high", temperature: 0.5 })).toEqual({
      body: { additionalModelRequestFields: config("high") },
      dropped: ["temperature"],
    });
  });

  it("loses to the client's own words, and is reported", () => {
    const additionalModelRequestFields = { thinking: { type: "enabled", budget_tokens: 3_000 } };
    expect(converse(SONNET_4, { reasoning_effort: "low", additionalModelRequestFields })).toEqual({
      body: { additionalModelRequestFields },
      dropped: ["reasoning_effort"],
    });
  });
});

it.each([
  [SONNET_4, ["none", "low", "medium", "high", "xhigh", "max"]],
  [NOVA, ["none", "low", "medium", "high"]],
  [GPT_OSS, ["low", "medium", "high"]],
  ["meta.llama4-maverick-17b-instruct-v1:0", []],
])("tells front doors in other dialects what %s takes", (model, efforts) => {
  const { reasoningEfforts } = bedrock;
  expect(createReasoningEfforts()({ model, reasoningEfforts })).toEqual(efforts);
});
