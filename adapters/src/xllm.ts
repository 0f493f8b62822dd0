import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** xLLM: `baseURL` is its API, with `/v1`. */
const xllm: FamilyAdapter = openaiFamily({
  name: "xllm",
  has: ["completions", "embeddings"],
  chat: MAX_TOKENS_CHAT,
});

export default xllm;
