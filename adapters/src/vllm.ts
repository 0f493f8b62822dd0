import { FOREIGN_ITEMS } from "./_openai/foreign-items.ts";
import { messagesCount } from "./_openai/count-tokens.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * vLLM: `baseURL` is its API, with `/v1`. Reasoning is `reasoning` there, in answers and in the history
 * (vllm-project/vllm, pull request 27752); to clients of OpenAI's API it passes as it is. It keeps responses by
 * `VLLM_ENABLE_RESPONSES_API_STORE` alone, which never lets one go (vllm/entrypoints/openai/responses/serving.py). Its
 * realtime API transcribes, by events of its own. `/health` is 503 once its engine is dead
 * (vllm/entrypoints/serve/instrumentator/health.py).
 */
const vllm: PlacelessAdapter = openaiFamily({
  name: "vllm",
  has: ["completions", "embeddings", "transcription", "translation", "messages", "messagesCountTokens"],
  operations: {
    responses: { path: PATHS.responses, stateless: true, foreign: FOREIGN_ITEMS },
    rerank: textRerank(PATHS.rerank),
    countTokens: messagesCount(),
  },
  extensions: ["top_k"],
  health: { path: "/health", outside: "/v1" },
});

export default vllm;
