import { readUsage } from "gatewright";
import type { JsonObject } from "gatewright";
import * as v from "valibot";

export const Usage = v.object({
  prompt_tokens: v.number(),
  completion_tokens: v.number(),
  total_tokens: v.number(),
});
export type Usage = v.InferOutput<typeof Usage>;

/** What a reply or a chunk says of usage. */
export function usageOf(json: JsonObject): Usage | undefined {
  const usage = readUsage(json);
  if (!usage) return undefined;
  const { inputTokens, outputTokens, totalTokens } = usage;
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: totalTokens };
}
