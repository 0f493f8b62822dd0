import { errorObjectIn } from "./_openai/errors.ts";
import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * Moonshot, the maker of Kimi; outside of China `baseURL` is `https://api.moonshot.ai/v1`. An account that is used up answers
 * 429, told from a limit by the error's type alone. Batches: https://platform.moonshot.cn/docs/guide/use-batch-api.
 */
const moonshot: FamilyAdapter = openaiFamily({
  name: "moonshot",
  baseURL: "https://api.moonshot.cn/v1",
  has: ["files", "batches"],
  chat: MAX_TOKENS_CHAT,
  modelPatterns: ["kimi-*", "moonshot-*"],
  fromError(_status, body) {
    const { type, message } = errorObjectIn(body) ?? {};
    if (type !== "exceeded_current_quota_error") return undefined;
    return { type, code: "insufficient_quota", ...(typeof message === "string" && { message }) };
  },
});

export default moonshot;
