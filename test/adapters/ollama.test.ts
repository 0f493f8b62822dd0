import { testAdapter } from "@gatewright/adapter-tests";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import ollama, { fields, OllamaOptions } from "../../adapters/src/ollama.ts";
import { exchangesOf } from "./_exchanges.ts";

const generation = {
  num_ctx: 4096,
  num_predict: 8,
  num_keep: 4,
  num_batch: 512,
  num_gpu: 1,
  main_gpu: 0,
  num_thread: 4,
  use_mmap: true,
  top_k: 40,
  min_p: 0.05,
  typical_p: 0.7,
  repeat_last_n: 64,
  repeat_penalty: 1.1,
  options: { mirostat: 2 },
  stop: "END",
  keep_alive: "5m",
  think: true,
  format: "json",
};

testAdapter(ollama, {
  exchanges: exchangesOf("ollama"),
  models: {
    body: {
      models: [
        {
          name: "qwen2.5:7b",
          model: "qwen2.5:7b",
          modified_at: "2026-01-02T03:04:05.678901+01:00",
          size: 4_683_087_332,
          capabilities: ["completion", "tools"],
        },
        { name: "nomic-embed-text:latest", modified_at: "never", capabilities: ["embedding"] },
        { name: "old:latest" },
        { size: 1 },
      ],
    },
    listed: [
      { id: "qwen2.5:7b", created: 1_767_319_445, operations: ["chat", "completions"] },
      { id: "nomic-embed-text:latest", operations: ["embeddings"] },
      { id: "old:latest" },
    ],
  },
  withoutEffect: ["response_format.json_schema.name", "response_format.json_schema.strict"],
  // Tools that are not allowed are left out on purpose.
  leftOut: ["chat-tool-choice-allowed", "chat-tool-choice-none"],
  waived: {
    "usage details": "The API tells totals alone.",
    refusal: "The API has no refusals.",
  },
  fields,
  fieldTests: {
    chat: {
      samples: generation,
      byExchange: ["tool_choice"],
    },
    completions: {
      samples: { ...generation, max_completion_tokens: 16 },
    },
    embeddings: {
      samples: { options: { num_ctx: 512 }, keep_alive: 0 },
      byExchange: ["encoding_format"],
    },
  },
});

describe("options of ollama", () => {
  it("refuses a misspelt option and a context length that is none", () => {
    expect(v.safeParse(OllamaOptions, { num_ctx: 8192 }).success).toBe(false);
    expect(v.safeParse(OllamaOptions, { numCtx: 0 }).success).toBe(false);
    expect(v.safeParse(OllamaOptions, { numCtx: 8192, keepAlive: -1, think: "low" }).success).toBe(true);
  });

  it("asks no key of a local server", () => {
    expect(ollama.auth(undefined, { headers: {} })).toEqual({});
  });
});

describe("errors of ollama", () => {
  it.each([null, "busy", [], {}, { error: "" }])("finds no message in %j", (body) => {
    expect(ollama.fromError?.(500, body)).toEqual({});
  });

  it.each([
    {},
    { error: "gone" },
    { message: { content: "" }, done: true },
    { response: "", done_reason: "unload" },
    { embeddings: [1] },
  ])("takes a 200 with %j for no answer", (body) => {
    expect(ollama.errorInReply?.(body, "chat")).toMatchObject({ status: 502 });
  });
});
