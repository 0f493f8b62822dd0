import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** 01.AI, the maker of Yi (https://platform.lingyiwanwu.com). */
const yi: FamilyAdapter = openaiFamily({
  name: "yi",
  baseURL: "https://api.lingyiwanwu.com/v1",
  chat: MAX_TOKENS_CHAT,
  modelPatterns: ["yi-*"],
});

export default yi;
