import { isJsonObject } from "gatewright";
import { errorInBody, errorObjectIn } from "./_openai/errors.ts";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { statelessResponses } from "./_openai/responses.ts";

/**
 * OpenRouter (https://openrouter.ai/docs/api/reference/errors-and-debugging). A provider that fails after the work began
 * is told in a 200: in the body, in a choice of it, or in a chunk of the stream. A 403 with `reasons` is for flagged input, not
 * for the key. It keeps no responses (https://openrouter.ai/docs/api/reference/responses/overview).
 */
const openrouter: FamilyAdapter = openaiFamily({
  name: "openrouter",
  baseURL: "https://openrouter.ai/api/v1",
  has: ["completions", "embeddings", "messages"],
  operations: { responses: statelessResponses() },
  extensions: ["top_k", "cache_control"],
  errorInReply: errorInBody,
  fromError(status, body) {
    const { message, metadata } = errorObjectIn(body) ?? {};
    if (status !== 403 || !isJsonObject(metadata) || !Array.isArray(metadata["reasons"])) return undefined;
    return { status: 400, code: "content_filter", ...(typeof message === "string" && { message }) };
  },
});

export default openrouter;
