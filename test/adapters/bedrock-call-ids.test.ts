/** Ids of tool calls at Bedrock: what a model takes is the vendor's rule, and a result has to meet its call. */
import type { JsonObject, MappingInfo } from "gatewright";
import { expect, it } from "vitest";
import * as v from "valibot";
import { toConverseRequest } from "../../adapters/src/_bedrock/chat-request.ts";
import { BedrockOptions } from "../../adapters/src/bedrock.ts";

/** The ids of the calls, and those of the results, in the order of the history. */
function sentIds(model: string, ids: readonly string[]): { calls: unknown[]; results: unknown[] } {
  const definition = { name: "now", arguments: "{}" };
  const request: JsonObject = {
    messages: [
      { role: "user", content: "Hi" },
      {
        role: "assistant",
        content: null,
        tool_calls: ids.map((id) => ({ id, type: "function", function: definition })),
      },
      ...ids.map((id) => ({ role: "tool", tool_call_id: id, content: "noon" })),
    ],
    tools: [{ type: "function", function: { name: "now" } }],
  };
  const info = {
    operation: "chat",
    model,
    options: v.parse(BedrockOptions, { region: "eu-central-1" }),
    request,
  } as unknown as MappingInfo<v.InferOutput<typeof BedrockOptions>>;
  const { messages } = toConverseRequest(request, info).body as { messages: { content: JsonObject[] }[] };
  const blocks = messages.flatMap(({ content }) => content);
  const idsOf = (kind: string): unknown[] =>
    blocks.flatMap((block) => (block[kind] ? [(block[kind] as JsonObject)["toolUseId"]] : []));
  return { calls: idsOf("toolUse"), results: idsOf("toolResult") };
}

// They begin alike, as Bedrock's own do.
const IDS = ["tooluse_Acpe71yCfRu2b5i-nKGDr5g", "tooluse_AcZ71yCfRu2b5i-nKGDr5g", "a", "abcDEF123"];

it.each(["mistral.ministral-3-14b-instruct", "us.mistral.pixtral-large-2502-v1:0"])(
  "are nine letters and digits for %s, whatever they were, and differ where they differed",
  (model) => {
    const { calls, results } = sentIds(model, IDS);
    for (const id of calls) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/);
    expect(new Set(calls).size).toBe(IDS.length);
    expect(calls.at(-1)).toBe("abcDEF123");
    expect(results).toEqual(calls);
  },
);

it("stay as they are for other models", () => {
  expect(sentIds("amazon.nova-2-lite-v1:0", IDS)).toEqual({ calls: IDS, results: IDS });
});

it("lose what neither Bedrock nor Claude takes in them, alike in call and result", () => {
  for (const model of ["amazon.nova-2-lite-v1:0", "us.anthropic.claude-opus-4-7"]) {
    const sent = ["get_weather_0", "get_weather_1", "x".repeat(64)];
    const ids = ["get_weather:0", "get.weather:1", `longer_${"x".repeat(64)}`];
    expect(sentIds(model, ids)).toEqual({ calls: sent, results: sent });
  }
});
