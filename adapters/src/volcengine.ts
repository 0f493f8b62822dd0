import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** Volcengine Ark, the home of Doubao; other regions by `baseURL`. */
const volcengine: FamilyAdapter = openaiFamily({
  name: "volcengine",
  baseURL: "https://ark.cn-beijing.volces.com/api/v3",
  has: ["responses", "imageGeneration"],
  operations: { embeddings: numberEmbeddings(PATHS.embeddings) },
  extensions: ["reasoning_content"],
  modelPatterns: ["doubao-*"],
});

export default volcengine;
