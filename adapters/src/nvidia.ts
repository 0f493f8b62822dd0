import { isJsonObject } from "gatewright";
import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** `Function '<id>': Not found for account '<id>'`: the ids are nobody's business. */
const NO_MODEL = /: Not found for account /;

/**
 * NVIDIA's hosted models, and a NIM of one's own by its `baseURL` (https://docs.api.nvidia.com). Errors of the hosted ones are
 * problem details (RFC 9457), and a model that an account does not have is named by an id of its own.
 */
const nvidia: FamilyAdapter = openaiFamily({
  name: "nvidia",
  baseURL: "https://integrate.api.nvidia.com/v1",
  has: ["completions", "embeddings"],
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  fromError(status, body) {
    const detail = isJsonObject(body) ? body["detail"] : undefined;
    return status === 404 && typeof detail === "string" && NO_MODEL.test(detail)
      ? { code: "model_not_found", param: "model" }
      : undefined;
  },
});

export default nvidia;
