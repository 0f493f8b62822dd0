import type { JsonObject, OperationName } from "gatewright";

/** What is needed to try the fields of one operation. */
export interface FieldCases {
  /** The smallest valid request, but for the model. */
  request: JsonObject;
  /** A value of each field that is not its default. */
  samples: JsonObject;
  /** The default of each field that has one. */
  defaults: JsonObject;
}

const user = { role: "user", content: "Hi" };
const tool = { type: "function", function: { name: "now", parameters: { type: "object" } } };

/**
 * The request fields that OpenAI's API knows, by operation: an adapter that translates states a fate for each sample.
 * https://platform.openai.com/docs/api-reference
 */
export const KNOWN_FIELDS: Readonly<Partial<Record<OperationName, FieldCases>>> = {
  chat: {
    request: { messages: [user] },
    samples: {
      model: "client-model",
      messages: [user, user],
      max_completion_tokens: 16,
      max_tokens: 16,
      temperature: 0,
      top_p: 0.5,
      n: 2,
      seed: 0,
      presence_penalty: 1,
      frequency_penalty: 1,
      logit_bias: { "50256": -100 },
      stop: ["END"],
      logprobs: true,
      top_logprobs: 3,
      tools: [tool],
      tool_choice: "required",
      parallel_tool_calls: false,
      functions: [{ name: "now" }],
      function_call: "auto",
      response_format: { type: "json_object" },
      stream: true,
      stream_options: { include_obfuscation: true },
      modalities: ["text", "audio"],
      audio: { voice: "alloy", format: "mp3" },
      reasoning_effort: "low",
      verbosity: "low",
      prediction: { type: "content", content: "Hi" },
      web_search_options: {},
      moderation: { model: "omni" },
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
      presence_penalty: 0,
      frequency_penalty: 0,
      logit_bias: {},
      stop: [],
      logprobs: false,
      top_logprobs: 0,
      tools: [],
      parallel_tool_calls: true,
      functions: [],
      stream_options: {},
      modalities: ["text"],
      store: false,
      metadata: {},
      service_tier: "auto",
      user: "",
      safety_identifier: "",
      prompt_cache_key: "",
      prompt_cache_options: {},
    },
  },
  completions: {
    request: { prompt: "Hi" },
    samples: {
      model: "client-model",
      prompt: "Ho",
      suffix: "!",
      echo: true,
      best_of: 2,
      logprobs: 0,
      max_tokens: 16,
      temperature: 0,
      top_p: 0.5,
      n: 2,
      seed: 0,
      presence_penalty: 1,
      frequency_penalty: 1,
      logit_bias: { "50256": -100 },
      stop: ["END"],
      stream: true,
      stream_options: { include_obfuscation: true },
      user: "u-1",
    },
    defaults: { echo: false, best_of: 1, n: 1, logit_bias: {}, stop: [], stream_options: {}, user: "" },
  },
  embeddings: {
    request: { input: "Hi" },
    samples: {
      model: "client-model",
      input: ["Hi", "Ho"],
      dimensions: 64,
      encoding_format: "base64",
      user: "u-1",
    },
    defaults: { user: "" },
  },
  rerank: {
    request: { query: "capital", documents: ["Oslo"] },
    samples: {
      model: "client-model",
      query: "city",
      documents: ["Bergen"],
      top_n: 1,
      return_documents: true,
    },
    defaults: {},
  },
};
