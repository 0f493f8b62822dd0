import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Baichuan (https://platform.baichuan-ai.com). It documents no model list, and no probe that costs nothing. */
const baichuan: FamilyAdapter = openaiFamily({
  name: "baichuan",
  baseURL: "https://api.baichuan-ai.com/v1",
  operations: { embeddings: numberEmbeddings(PATHS.embeddings) },
  chat: MAX_TOKENS_CHAT,
  models: false,
  modelPatterns: ["Baichuan*"],
});

export default baichuan;
