import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Qwen at Alibaba's DashScope; outside of China `baseURL` is `https://dashscope-intl.aliyuncs.com/compatible-mode/v1`. */
const qwen: FamilyAdapter = openaiFamily({
  name: "qwen",
  baseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1",
  has: ["completions"],
  operations: { embeddings: numberEmbeddings(PATHS.embeddings) },
  chat: MAX_TOKENS_CHAT,
  modelPatterns: ["qwen*", "qwq-*", "qvq-*"],
});

export default qwen;
