import { compact, isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/**
 * The sources of a citation that have an address, as OpenAI's `url_citation`. Citations themselves go on beside, in
 * Cohere's own shape, since most sources are documents without an address: https://docs.cohere.com/v2/docs/rag-citations
 * `offsetOf` tells where a content part begins in the whole text.
 */
export function toAnnotations(citation: JsonObject, offsetOf: (index: unknown) => number): JsonObject[] {
  const { start, end, sources, type, content_index } = citation;
  // Plans and thoughts are cited too, but annotations speak of the content.
  if (type !== undefined && type !== "TEXT_CONTENT") return [];
  if (typeof start !== "number" || typeof end !== "number" || !Array.isArray(sources)) return [];
  const offset = offsetOf(content_index ?? 0);
  return sources.filter(isJsonObject).flatMap((source) => {
    const cited = source["document"] ?? source["tool_output"];
    if (!isJsonObject(cited) || typeof cited["url"] !== "string") return [];
    const { url, title } = cited;
    return {
      type: "url_citation",
      url_citation: compact({ start_index: offset + start, end_index: offset + end, url, title }),
    };
  });
}
