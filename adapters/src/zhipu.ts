import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Zhipu, the maker of GLM; outside of China `baseURL` is `https://api.z.ai/api/paas/v4`. */
const zhipu: FamilyAdapter = openaiFamily({
  name: "zhipu",
  baseURL: "https://open.bigmodel.cn/api/paas/v4",
  has: ["imageGeneration", "transcription"],
  operations: { embeddings: numberEmbeddings(PATHS.embeddings) },
  chat: MAX_TOKENS_CHAT,
  modelPatterns: ["glm-*", "cogview-*"],
});

export default zhipu;
