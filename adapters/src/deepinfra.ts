import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** DeepInfra (https://deepinfra.com/docs). Batches: https://docs.deepinfra.com/batch. */
const deepinfra: FamilyAdapter = openaiFamily({
  name: "deepinfra",
  baseURL: "https://api.deepinfra.com/v1/openai",
  has: ["completions", "embeddings", "speech", "transcription", "imageGeneration", "files", "batches"],
  chat: MAX_TOKENS_CHAT,
});

export default deepinfra;
