import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * LocalAI: `baseURL` is its API, with `/v1`. Models may load on first use: give it time (`timeouts.firstTokenMs`). Realtime:
 * https://localai.io/features/openai-realtime.
 */
const localai: PlacelessAdapter = openaiFamily({
  name: "localai",
  has: ["completions", "speech", "transcription", "imageGeneration", "imageEdit", "messages", "realtime"],
  operations: {
    embeddings: numberEmbeddings(PATHS.embeddings),
    rerank: textRerank(PATHS.rerank),
  },
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  health: { path: "/readyz", outside: "/v1" },
});

export default localai;
