import { describe, expect, it } from "vitest";
import * as v from "valibot";
import cohere, { CohereOptions, fields } from "../../adapters/src/cohere.ts";
import { testAdapter } from "./_suite.ts";

const user = { role: "user", content: "Hi" };
const tool = { type: "function", function: { name: "now", parameters: { type: "object" } } };

testAdapter(cohere, {
  models: {
    body: {
      models: [
        { name: "command-a-03-2025", endpoints: ["generate", "chat", "summarize"], context_length: 288_000 },
        { name: "embed-v4.0", endpoints: ["embed"], features: ["vision"] },
        { name: "rerank-v3.5", endpoints: ["rerank"], is_deprecated: false },
        { finetuned: true },
      ],
      next_page_token: "",
    },
    listed: [
      { id: "command-a-03-2025", ownedBy: "cohere", operations: ["chat"], maxInputTokens: 288_000 },
      { id: "embed-v4.0", ownedBy: "cohere", operations: ["embeddings"] },
      { id: "rerank-v3.5", ownedBy: "cohere", operations: ["rerank"] },
    ],
  },
  fates: {
    chat: {
      table: fields.chat!,
      request: { messages: [user] },
      samples: {
        model: "client-model",
        messages: [user, user],
        stream: true,
        stream_options: { include_obfuscation: true },
        max_completion_tokens: 16,
        max_tokens: 16,
        temperature: 0,
        top_p: 0.5,
        top_k: 40,
        p: 0.5,
        k: 40,
        seed: 0,
        presence_penalty: 0,
        frequency_penalty: 1,
        stop: "END",
        tools: [tool],
        response_format: { type: "json_object" },
        logprobs: true,
        reasoning_effort: "none",
        thinking: { type: "enabled", token_budget: 512 },
        documents: ["Oslo"],
        citation_options: { mode: "FAST" },
        safety_mode: "STRICT",
        strict_tools: true,
        priority: 1,
        n: 2,
        logit_bias: { "50256": -100 },
        top_logprobs: 3,
        functions: [{ name: "now" }],
        function_call: "auto",
        modalities: ["text", "audio"],
        audio: { voice: "alloy", format: "mp3" },
        web_search_options: {},
        moderation: { model: "omni" },
        parallel_tool_calls: false,
        verbosity: "low",
        prediction: { type: "content", content: "Hi" },
        store: true,
        metadata: { team: "a" },
        service_tier: "flex",
        user: "u-1",
        safety_identifier: "u-1",
        prompt_cache_key: "k",
        prompt_cache_options: { scope: "user" },
        prompt_cache_retention: "24h",
      },
      defaults: {
        stream_options: {},
        stop: [],
        tools: [],
        n: 1,
        logit_bias: {},
        top_logprobs: 0,
        functions: [],
        modalities: ["text"],
        parallel_tool_calls: true,
        store: false,
        metadata: {},
        service_tier: "auto",
        user: "",
        safety_identifier: "",
        prompt_cache_key: "",
        prompt_cache_options: {},
      },
      byExchange: ["tool_choice"],
    },
    embeddings: {
      table: fields.embeddings!,
      request: { input: "Hi" },
      samples: {
        model: "client-model",
        input: ["Hi", "Ho"],
        dimensions: 64,
        input_type: "clustering",
        truncate: "END",
        max_tokens: 128,
        priority: 1,
        embedding_types: ["int8"],
        user: "u-1",
      },
      defaults: { embedding_types: ["float"], user: "" },
      byExchange: ["encoding_format"],
    },
    rerank: {
      table: fields.rerank!,
      request: { query: "capital", documents: ["Oslo"] },
      samples: {
        model: "client-model",
        query: "city",
        documents: ["Bergen"],
        top_n: 1,
        max_tokens_per_doc: 64,
        priority: 1,
        user: "u-1",
      },
      defaults: { user: "" },
      byExchange: ["return_documents"],
    },
  },
});

describe("options of cohere", () => {
  it("embeds for search where nothing else is said, and refuses a use that is none", () => {
    expect(v.parse(CohereOptions, {})).toEqual({ inputType: "search_document" });
    expect(v.safeParse(CohereOptions, { inputType: "document" }).success).toBe(false);
    expect(v.safeParse(CohereOptions, { input_type: "clustering" }).success).toBe(false);
  });

  it("sends no key where there is none, as own deployments have", () => {
    expect(cohere.auth(undefined, { inputType: "search_query" })).toEqual({});
  });
});

describe("errors of cohere", () => {
  it.each([null, "busy", [], {}, { message: "" }, { message: 1 }])("finds no message in %j", (body) => {
    expect(cohere.fromError?.(500, body)).toEqual({});
  });

  it.each(["chat", "embeddings", "rerank"] as const)(
    "takes an empty body for no answer of %s",
    (operation) => {
      expect(cohere.errorInReply?.({}, operation)).toMatchObject({ status: 502 });
    },
  );
});

describe("own fields of cohere", () => {
  it("win over those of the hub, which are then reported", () => {
    const request = {
      model: "m",
      messages: [user],
      p: 0.1,
      top_p: 0.9,
      k: 1,
      top_k: 9,
      thinking: { type: "enabled", token_budget: 64 },
      reasoning_effort: "low",
    };
    const mapped = cohere.operations.chat!.toRequest!(request, {
      operation: "chat",
      model: "m",
      requestedModel: "m",
      stream: false,
      options: { inputType: "search_document" },
      requestId: "r",
      nowSeconds: 0,
      report: () => {},
      request,
    });
    expect(mapped.body).toMatchObject({ p: 0.1, k: 1, thinking: { token_budget: 64 } });
    expect(mapped.dropped).toEqual(["top_p", "top_k", "reasoning_effort"]);
  });
});
