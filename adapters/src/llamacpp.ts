import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * llama.cpp's server: `baseURL` is its API, with `/v1`, where `/v1/health` needs no key and is 503 while the model loads.
 * `max_completion_tokens` is known there since February 2026 (ggml-org/llama.cpp, pull request 19831).
 */
const llamacpp: FamilyAdapter = openaiFamily({
  name: "llamacpp",
  baseURL: "http://127.0.0.1:8080/v1",
  has: ["completions", "responses", "embeddings", "messages", "messagesCountTokens"],
  operations: { rerank: textRerank(PATHS.rerank) },
  extensions: ["reasoning_content", "top_k"],
  health: "/health",
});

export default llamacpp;
