import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { textRerank } from "./_openai/rerank.ts";

/**
 * SGLang: `baseURL` is its API, with `/v1`. It reranks texts alone and answers that with a bare list
 * (sgl-project/sglang, `entrypoints/openai/protocol.py`).
 */
const sglang: FamilyAdapter = openaiFamily({
  name: "sglang",
  has: ["completions", "responses"],
  operations: {
    embeddings: numberEmbeddings(PATHS.embeddings),
    rerank: textRerank(PATHS.rerank),
  },
  extensions: ["reasoning_content", "top_k"],
});

export default sglang;
