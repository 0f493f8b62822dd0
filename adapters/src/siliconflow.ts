import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * SiliconFlow (https://docs.siliconflow.cn); outside of China `baseURL` is `https://api.siliconflow.com/v1`. Its batches are
 * OpenAI's, but the upload of their files answers in an envelope of its own.
 */
const siliconflow: FamilyAdapter = openaiFamily({
  name: "siliconflow",
  baseURL: "https://api.siliconflow.cn/v1",
  has: ["embeddings", "rerank", "speech", "transcription", "imageGeneration"],
  chat: MAX_TOKENS_CHAT,
});

export default siliconflow;
