import { numberEmbeddings } from "./_openai/embeddings.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";
import { statelessResponses } from "./_openai/responses.ts";

/**
 * Xinference: `baseURL` is its API, with `/v1`. Its rerank counts in Cohere's words, its embeddings are numbers, and its
 * errors are `{ detail }`. It keeps no responses (xinference/api/protocols/openai_responses.py).
 */
const xinference: FamilyAdapter = openaiFamily({
  name: "xinference",
  has: [
    "completions",
    "speech",
    "transcription",
    "translation",
    "imageGeneration",
    "imageEdit",
    "imageVariation",
    "messages",
  ],
  operations: {
    responses: statelessResponses(),
    embeddings: numberEmbeddings(PATHS.embeddings),
    rerank: textRerank(PATHS.rerank),
  },
  chat: MAX_TOKENS_CHAT,
});

export default xinference;
