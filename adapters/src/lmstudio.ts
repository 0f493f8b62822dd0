import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * LM Studio: `baseURL` is `http://<host>:1234/v1` unless it is set. It loads models on demand, so that the first token may
 * take long; reasoning comes under either of its names, as the model has it.
 */
const lmstudio: FamilyAdapter = openaiFamily({
  name: "lmstudio",
  baseURL: "http://127.0.0.1:1234/v1",
  has: ["completions", "responses", "messages"],
  operations: { embeddings: numberEmbeddings(PATHS.embeddings) },
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
});

export default lmstudio;
