import { numberEmbeddings } from "./_openai/embeddings.ts";
import { errorObjectIn } from "./_openai/errors.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** What it answers with 401 and 403 though the key is right: a model that is not there, an account in debt. */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  ["invalid_model", 404],
  ["account_overdue", 402],
]);

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
  fromError(_status, body) {
    const { code, message } = errorObjectIn(body) ?? {};
    const status = STATUSES.get(code);
    if (status === undefined) return undefined;
    return { status, code: code as string, ...(typeof message === "string" && { message }) };
  },
});

export default baidu;
