import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Perplexity (https://docs.perplexity.ai). It has no model list. */
const perplexity: FamilyAdapter = openaiFamily({
  name: "perplexity",
  baseURL: "https://api.perplexity.ai",
  chat: MAX_TOKENS_CHAT,
  models: false,
  modelPatterns: ["sonar*"],
});

export default perplexity;
