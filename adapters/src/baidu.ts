import { numberEmbeddings } from "./_openai/embeddings.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/**
 * Baidu's Qianfan by its second API, with a permanent key; an application's id goes into `headers: { appid }`
 * (https://cloud.baidu.com/doc/qianfan-api/index.html). The first API is the adapter `wenxin`.
 */
const baidu: FamilyAdapter = openaiFamily({
  name: "baidu",
  baseURL: "https://qianfan.baidubce.com/v2",
  has: ["rerank", "imageGeneration"],
  operations: { embeddings: { ...numberEmbeddings(PATHS.embeddings), maxInputs: 16 } },
  extensions: ["reasoning_content"],
  modelPatterns: ["ernie-*"],
});

export default baidu;
