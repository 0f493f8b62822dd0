import type { FieldTable, JsonObject, OperationName } from "gatewright";
import type { FateKit } from "./_suite.ts";

/** What the suite needs to hold a table of deviations against its mapping. */
const KITS: Partial<Record<OperationName, Omit<FateKit, "table">>> = {
  chat: {
    request: { messages: [{ role: "user", content: "Hi" }] },
    samples: {
      messages: [{ role: "user", content: "Ho" }],
      max_completion_tokens: 16,
      seed: 7,
      tool_choice: "required",
      reasoning_effort: "none",
      n: 2,
      logit_bias: { "50256": -100 },
      logprobs: true,
      top_logprobs: 3,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      functions: [{ name: "now" }],
      function_call: "auto",
      modalities: ["text", "audio"],
      audio: { voice: "alloy", format: "mp3" },
      web_search_options: {},
      moderation: { model: "omni" },
      parallel_tool_calls: false,
      verbosity: "low",
      prediction: { type: "content", content: "Hi" },
      top_k: 40,
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
      n: 1,
      logit_bias: {},
      logprobs: false,
      top_logprobs: 0,
      presence_penalty: 0,
      frequency_penalty: 0,
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
    byExchange: ["stream_options"],
  },
  embeddings: {
    request: { input: "Hi" },
    samples: { dimensions: 64, user: "u-1" },
    defaults: { user: "" },
    byExchange: ["encoding_format"],
  },
  rerank: {
    request: { query: "q", documents: ["a"] },
    samples: {},
    byExchange: ["documents"],
  },
};

/** Kits for the tables of an adapter of the family. */
export function familyFates(
  tables: Readonly<Partial<Record<OperationName, FieldTable>>>,
): Partial<Record<OperationName, FateKit>> {
  return Object.fromEntries(
    Object.entries(tables).map(([operation, table]) => [operation, { ...kitOf(operation), table }]),
  );
}

function kitOf(operation: string): Omit<FateKit, "table"> & { samples: JsonObject } {
  const kit = KITS[operation as OperationName];
  if (!kit) throw new Error(`no kit for fields of ${operation}`);
  return kit;
}
