import { messagesCount } from "./_openai/count-tokens.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";
import { statelessResponses } from "./_openai/responses.ts";

/**
 * llama.cpp's server: `baseURL` is its API, with `/v1`, where `/v1/health` needs no key and is 503 while the model loads.
 * `max_completion_tokens` is known there since February 2026 (ggml-org/llama.cpp, pull request 19831). It keeps no responses,
 * and refuses `previous_response_id` (tools/server/server-chat.cpp).
 */
const llamacpp: FamilyAdapter = openaiFamily({
  name: "llamacpp",
  baseURL: "http://127.0.0.1:8080/v1",
  has: ["completions", "embeddings", "messages", "messagesCountTokens"],
  operations: {
    responses: statelessResponses(),
    rerank: textRerank(PATHS.rerank),
    countTokens: messagesCount(),
  },
  extensions: ["reasoning_content", "top_k"],
  health: { path: "/health" },
});

export default llamacpp;
