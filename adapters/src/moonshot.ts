import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * Moonshot, the maker of Kimi; outside of China `baseURL` is `https://api.moonshot.ai/v1`. Batches:
 * https://platform.moonshot.cn/docs/guide/use-batch-api.
 */
const moonshot: FamilyAdapter = openaiFamily({
  name: "moonshot",
  baseURL: "https://api.moonshot.cn/v1",
  has: ["files", "batches"],
  chat: MAX_TOKENS_CHAT,
  modelPatterns: ["kimi-*", "moonshot-*"],
});

export default moonshot;
