import { testAdapter } from "@gatewright/adapter-tests";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import cohere, { CohereOptions, fields } from "../../adapters/src/cohere.ts";
import { exchangesOf } from "./_exchanges.ts";

const user = { role: "user", content: "Hi" };

testAdapter(cohere, {
  exchanges: exchangesOf("cohere"),
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
  withoutEffect: [
    // It comes back from the request.
    "documents[].id",
    "messages[].thinking_blocks[].type",
    "response_format.json_schema.name",
    "response_format.json_schema.strict",
  ],
  leftOut: ["chat-tool-choice-allowed", "chat-tool-choice-named"],
  waived: { refusal: "The API has no refusals." },
  fields,
  fieldTests: {
    chat: {
      samples: {
        top_k: 40,
        p: 0.5,
        k: 40,
        stop: "END",
        reasoning_effort: "none",
        thinking: { type: "enabled", token_budget: 512 },
        documents: ["Oslo"],
        citation_options: { mode: "FAST" },
        safety_mode: "STRICT",
        strict_tools: true,
        priority: 1,
      },
      byExchange: ["tool_choice"],
    },
    embeddings: {
      samples: {
        input_type: "clustering",
        truncate: "END",
        max_tokens: 128,
        priority: 1,
        embedding_types: ["int8"],
      },
      defaults: { embedding_types: ["float"] },
      byExchange: ["encoding_format"],
    },
    rerank: {
      samples: {
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
    expect(v.parse(CohereOptions, {})).toEqual({ inputType: "search_document", headers: {} });
    expect(v.safeParse(CohereOptions, { inputType: "document" }).success).toBe(false);
    expect(v.safeParse(CohereOptions, { input_type: "clustering" }).success).toBe(false);
  });

  it("sends no key where there is none, as own deployments have", () => {
    expect(cohere.auth(undefined, { inputType: "search_query", headers: {} })).toEqual({});
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
      options: { inputType: "search_document", headers: {} },
      requestId: "r",
      nowSeconds: 0,
      report: () => {},
      request,
    });
    expect(mapped.body).toMatchObject({ p: 0.1, k: 1, thinking: { token_budget: 64 } });
    expect(mapped.dropped).toEqual(["top_p", "top_k", "reasoning_effort"]);
  });
});
