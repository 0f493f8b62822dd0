import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * SGLang: `baseURL` is its API, with `/v1`. It reranks texts alone and answers that with a bare list
 * (sgl-project/sglang, `entrypoints/openai/protocol.py`). It keeps responses in its memory, until it ends
 * (`entrypoints/openai/serving_responses.py`). It is up when it lists its model: its `/health` generates a token.
 */
const sglang: PlacelessAdapter = openaiFamily({
  name: "sglang",
  has: ["completions", "responses"],
  operations: {
    embeddings: numberEmbeddings(PATHS.embeddings),
    rerank: textRerank(PATHS.rerank),
  },
  extensions: ["reasoning_content", "top_k"],
});

export default sglang;
