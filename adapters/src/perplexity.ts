import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";
import { MAX_TOKENS_CHAT, openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import type { Source, SourceRules } from "./_openai/sources.ts";

/** `[1]` in the text is the first of the lists (https://docs.perplexity.ai/docs/sonar/openai-compatibility). */
const SOURCES: SourceRules = {
  members: ["search_results", "citations"],
  mark: /\[(\d{1,4})\]/g,
  read: ({ search_results: results, citations: urls }) =>
    new Map([...toSources(urls), ...toSources(results)]),
};

/** Perplexity (https://docs.perplexity.ai). Its list is of the models of its agents, not of those that chat. */
const perplexity: FamilyAdapter = openaiFamily({
  name: "perplexity",
  baseURL: "https://api.perplexity.ai",
  chat: MAX_TOKENS_CHAT,
  sources: SOURCES,
  models: false,
  health: { path: "/v1/models" },
  modelPatterns: ["sonar*"],
});

export default perplexity;

/** Of addresses, or of results with theirs. */
function toSources(list: unknown): [string, Source][] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((one: unknown, at): [string, Source][] => {
    const { url, title }: JsonObject = isJsonObject(one) ? one : { url: one };
    if (typeof url !== "string") return [];
    return [[String(at + 1), { url, title: typeof title === "string" ? title : "" }]];
  });
}
