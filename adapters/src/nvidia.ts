import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** NVIDIA's hosted models, and a NIM of one's own by its `baseURL` (https://docs.api.nvidia.com). */
const nvidia: FamilyAdapter = openaiFamily({
  name: "nvidia",
  baseURL: "https://integrate.api.nvidia.com/v1",
  has: ["completions", "embeddings"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
});

export default nvidia;
