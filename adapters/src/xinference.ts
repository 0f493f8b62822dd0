import { is, isEmpty, refuse } from "gatewright";
import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";
import { ONLY_MAX_TOKENS } from "./_openai/field-changes.ts";
import type { FieldChanges } from "./_openai/field-changes.ts";
import { textRerank } from "./_openai/rerank.ts";
import { statelessResponses } from "./_openai/responses.ts";

/** The first it answers with 501, the second it leaves out and never says so (xinference/api/restful_api.py). */
const changes: FieldChanges = {
  ...ONLY_MAX_TOKENS,
  logit_bias: refuse("Xinference takes no biases", isEmpty),
  n: refuse("Xinference gives one choice a request", is(1)),
};

/**
 * Xinference: `baseURL` is its API, with `/v1`. Its rerank counts in Cohere's words, its embeddings are numbers, and its
 * errors are `{ detail }`. It keeps no responses (xinference/api/protocols/openai_responses.py).
 */
const xinference: PlacelessAdapter = openaiFamily({
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
  chat: { changes, reasoning: "reasoning_content" },
});

export default xinference;
