import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * Qwen at Alibaba's DashScope; outside of China `baseURL` is `https://dashscope-intl.aliyuncs.com/compatible-mode/v1`.
 * Batches: https://www.alibabacloud.com/help/en/model-studio/batch-interfaces-compatible-with-openai. Its realtime API is at
 * another address. Parts may be marked for its cache (https://www.alibabacloud.com/help/en/model-studio/context-cache).
 */
const qwen: FamilyAdapter = openaiFamily({
  name: "qwen",
  baseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1",
  has: ["completions", "files", "batches"],
  operations: { embeddings: { ...numberEmbeddings(PATHS.embeddings), maxInputs } },
  chat: { ...MAX_TOKENS_CHAT, cacheControl: true },
  modelPatterns: ["qwen*", "qwq-*", "qvq-*"],
});

export default qwen;

/** https://help.aliyun.com/zh/model-studio/user-guide/embedding */
function maxInputs(model: string): number {
  return /^text-embedding-v[12]$/.test(model) ? 25 : 10;
}
