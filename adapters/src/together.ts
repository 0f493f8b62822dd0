import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Together (https://docs.together.ai). */
const together: FamilyAdapter = openaiFamily({
  name: "together",
  baseURL: "https://api.together.ai/v1",
  has: ["completions", "embeddings", "rerank", "speech", "transcription", "imageGeneration"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
});

export default together;
