import { randomUUID } from "node:crypto";
import type { Exchange } from "../dialect.ts";
import { asNumber, asObject, asText } from "../json-fields.ts";
import { missing } from "../refusal.ts";
import { countTokens } from "../tokens.ts";
import { embed, similarity } from "../vectors.ts";
import { requireModel, requireText } from "./models.ts";

/** Enough to tell texts apart; ranking needs no long vectors. */
const DIMENSIONS = 256;

/** `POST /v1/rerank` and `/rerank`, in the shape of Jina and vLLM: best first, by the words shared with the query. */
export async function rerank(exchange: Exchange): Promise<void> {
  const { body, reply } = exchange;
  const model = requireModel(exchange);
  const query = requireText(exchange, "query");
  if (!Array.isArray(body.documents)) throw missing("documents");
  const documents = body.documents.map(
    (document) => asText(document) ?? asText(asObject(document).text) ?? "",
  );
  const wanted = embed(query, DIMENSIONS);
  const ranked = documents
    .map((text, index) => ({ index, text, score: score(wanted, text) }))
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, asNumber(body.top_n) ?? documents.length);
  const tokens = [query, ...documents].reduce((sum, text) => sum + countTokens(text), 0);
  await reply.tokens(1);
  await reply.json({
    id: `rerank-${randomUUID()}`,
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: ranked.map(({ index, text, score }) => ({
      index,
      relevance_score: score,
      ...(body.return_documents === true ? { document: { text } } : {}),
    })),
  });
}

/** Cosine brought from [-1, 1] into [0, 1], where rerankers have their scores. */
function score(query: Float32Array, text: string): number {
  return (similarity(query, embed(text, DIMENSIONS)) + 1) / 2;
}
