import { describe, expect, it } from "vitest";
import * as v from "valibot";
import ollama, { fields, OllamaOptions } from "../../adapters/src/ollama.ts";
import { testAdapter } from "./_suite.ts";

const user = { role: "user", content: "Hi" };
const tool = { type: "function", function: { name: "now", parameters: { type: "object" } } };
const engine = {
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
};
const generation = {
  ...engine,
  model: "client-model",
  stream: true,
  stream_options: { include_obfuscation: true },
  options: { mirostat: 2 },
  max_completion_tokens: 16,
  max_tokens: 16,
  temperature: 0,
  top_p: 0.5,
  seed: 0,
  stop: "END",
  presence_penalty: 0,
  frequency_penalty: 1,
  keep_alive: "5m",
  think: true,
  format: "json",
  n: 2,
  logit_bias: { "50256": -100 },
  user: "u-1",
};
const generationDefaults = { stream_options: {}, stop: [], n: 1, logit_bias: {}, user: "" };

testAdapter(ollama, {
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
  fates: {
    chat: {
      table: fields.chat!,
      request: { messages: [user] },
      samples: {
        ...generation,
        messages: [user, user],
        tools: [tool],
        parallel_tool_calls: false,
        response_format: { type: "json_object" },
        reasoning_effort: "low",
        logprobs: true,
        top_logprobs: 3,
        functions: [{ name: "now" }],
        function_call: "auto",
        modalities: ["text", "audio"],
        audio: { voice: "alloy", format: "mp3" },
        web_search_options: {},
        moderation: { model: "omni" },
        verbosity: "low",
        prediction: { type: "content", content: "Hi" },
        store: true,
        metadata: { team: "a" },
        service_tier: "flex",
        safety_identifier: "u-1",
        prompt_cache_key: "k",
        prompt_cache_options: { scope: "user" },
        prompt_cache_retention: "24h",
      },
      defaults: {
        ...generationDefaults,
        tools: [],
        parallel_tool_calls: true,
        functions: [],
        modalities: ["text"],
        store: false,
        metadata: {},
        service_tier: "auto",
        safety_identifier: "",
        prompt_cache_key: "",
        prompt_cache_options: {},
      },
      byExchange: ["tool_choice"],
    },
    completions: {
      table: fields.completions!,
      request: { prompt: "Hi" },
      samples: { ...generation, prompt: "Ho", suffix: "!", logprobs: 0, echo: true, best_of: 2 },
      defaults: { ...generationDefaults, echo: false, best_of: 1 },
    },
    embeddings: {
      table: fields.embeddings!,
      request: { input: "Hi" },
      samples: {
        model: "client-model",
        input: ["Hi", "Ho"],
        dimensions: 64,
        options: { num_ctx: 512 },
        keep_alive: 0,
        user: "u-1",
      },
      defaults: { user: "" },
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
    expect(ollama.auth(undefined, {})).toEqual({});
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
