import { GatewayError } from "../errors.ts";
import { checkWhole, requireContent, requireType } from "../field-fault.ts";
import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import { openaiDialect, usageOf } from "./openai-dialect.ts";

interface UpstreamResult {
  index: number;
  relevance_score?: number;
  score?: number;
}

/** `POST /v1/rerank`: no vendor owns the shape, so every backend's reply is brought into one. */
export const rerank: Operation = defineOperation({
  name: "rerank",
  method: "POST",
  paths: ["/v1/rerank", "/rerank"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate(body) {
    return (
      requireType(body, "query", ["string"], "a text") ??
      requireContent(body, "documents", ["array"], "a list of texts, or of objects with `text`") ??
      checkWhole(body, "top_n", 1)
    );
  },
  usage: usageOf,
  normalizeReply: toRerankReply,
});

/**
 * `{id, model, results: [{index, relevance_score, score, document?}], usage?}`, both scores the same number, best
 * first, `index` the place in the request, `document` only when `return_documents` was set. Reads the forms of Jina
 * and Cohere, and the bare list of SGLang.
 */
function toRerankReply(reply: JsonObject, request: JsonObject): JsonObject {
  const list = Array.isArray(reply) ? (reply as unknown[]) : reply["results"];
  if (!Array.isArray(list)) throw malformed();
  const documents = request["documents"] as unknown[];
  const results = (list as UpstreamResult[])
    .map((result) => {
      const score = result.relevance_score ?? result.score;
      if (typeof result.index !== "number" || typeof score !== "number") throw malformed();
      return {
        index: result.index,
        relevance_score: score,
        score,
        ...(request["return_documents"] === true && { document: toDocument(documents[result.index]) }),
      };
    })
    .sort((a, b) => b.score - a.score || a.index - b.index);
  const topN = request["top_n"];
  return {
    ...(reply["id"] !== undefined && { id: reply["id"] }),
    model: request["model"],
    results: typeof topN === "number" ? results.slice(0, topN) : results,
    ...(reply["usage"] !== undefined && { usage: reply["usage"] }),
  };
}

function toDocument(document: unknown): unknown {
  return typeof document === "string" ? { text: document } : document;
}

function malformed(): GatewayError {
  return new GatewayError("provider_error", {
    message: "The backend's rerank reply has no usable results",
    upstream: { kind: "malformed", sent: true },
  });
}
