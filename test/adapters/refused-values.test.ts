/** What a client is told of a word that a backend does not have: what was expected, and what came. */
import type { Adapter, JsonObject, MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import anthropic from "../../adapters/src/anthropic.ts";
import bedrock from "../../adapters/src/bedrock.ts";
import cohere from "../../adapters/src/cohere.ts";
import gemini from "../../adapters/src/gemini.ts";
import ollama from "../../adapters/src/ollama.ts";
import vertex from "../../adapters/src/vertex.ts";
import wenxin from "../../adapters/src/wenxin.ts";
import { mapChat } from "./_map-chat.ts";

const SECRET = "sk-0123456789";

function formatError(adapter: Adapter, response_format: unknown): unknown {
  try {
    return mapChat(adapter, { messages: [{ role: "user", content: "Hi" }], response_format });
  } catch (error) {
    return (error as Error).message;
  }
}

describe("`response_format`", () => {
  const BY_SCHEMA: readonly [string, Adapter, string][] = [
    ["anthropic", anthropic, "text, or JSON by a schema, for Anthropic"],
    ["bedrock", bedrock, "text, or JSON by a schema, for Bedrock"],
  ];
  const EITHER: readonly [string, Adapter, string][] = [
    ["cohere", cohere, "text, or JSON with or without a schema, for Cohere"],
    ["gemini", gemini, "text, or JSON with or without a schema, for Gemini"],
    ["ollama", ollama, "text, or JSON with or without a schema, for Ollama"],
    ["wenxin", wenxin, "text, or JSON without a schema, for Wenxin"],
  ];

  it.each([...BY_SCHEMA, ...EITHER])("names what %s has, and what came", (_, adapter, expected) => {
    const told = (given: string): string => `\`response_format\` must be ${expected}, got ${given}`;
    expect(formatError(adapter, { type: SECRET })).toBe(told("another type"));
    expect(formatError(adapter, {})).toBe(told("an empty object"));
    expect(formatError(adapter, SECRET)).toBe(told("a text"));
    expect(formatError(adapter, 7)).toBe(told("7"));
  });

  it.each(BY_SCHEMA)("names the kind that %s does not have", (_, adapter, expected) => {
    expect(formatError(adapter, { type: "json_object" })).toBe(
      `\`response_format\` must be ${expected}, got \`json_object\``,
    );
    expect(formatError(adapter, { type: "json_schema", json_schema: {} })).toBe(
      `\`response_format\` must be ${expected}, got \`json_schema\` without a schema`,
    );
  });
});

describe("`encoding_format`", () => {
  const info = {
    model: "text-embedding-005",
    requestedModel: "m",
    options: { inputType: "search_document" },
  } as unknown as MappingInfo<never>;

  it.each<[string, Adapter, string]>([
    ["bedrock", bedrock, "amazon.titan-embed-text-v2:0"],
    ["cohere", cohere, "embed-v4.0"],
    ["gemini", gemini, "gemini-embedding-001"],
    ["ollama", ollama, "nomic-embed-text"],
    ["vertex", vertex, "text-embedding-005"],
  ])("names what there is at %s, and what came", (_, adapter, model) => {
    const { toRequest } = adapter.operations.embeddings!;
    const ask = (encoding_format: unknown): unknown => {
      const request: JsonObject = { input: "Hi", encoding_format };
      return toRequest!(request, { ...info, model, request });
    };
    const expected = "`encoding_format` must be `float` or `base64`, got ";
    expect(() => ask(SECRET)).toThrow(`${expected}a text`);
    expect(() => ask(8)).toThrow(`${expected}8`);
    expect(() => ask("base64")).not.toThrow();
  });
});
