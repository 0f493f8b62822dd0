import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Perplexity (https://docs.perplexity.ai). Its list is of the models of its agents, not of those that chat. */
const perplexity: FamilyAdapter = openaiFamily({
  name: "perplexity",
  baseURL: "https://api.perplexity.ai",
  chat: MAX_TOKENS_CHAT,
  models: false,
  health: { path: "/v1/models" },
  modelPatterns: ["sonar*"],
});

export default perplexity;
