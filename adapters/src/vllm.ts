import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * vLLM: `baseURL` is its API, with `/v1`. Reasoning is `reasoning` there, in answers and in the history
 * (vllm-project/vllm, pull request 27752); to clients of OpenAI's API it passes as it is.
 */
const vllm: FamilyAdapter = openaiFamily({
  name: "vllm",
  has: [
    "completions",
    "responses",
    "embeddings",
    "transcription",
    "translation",
    "messages",
    "messagesCountTokens",
  ],
  operations: { rerank: textRerank(PATHS.rerank) },
  extensions: ["top_k"],
});

export default vllm;
