import type { Usage } from "../attempt.ts";
import type { JsonView } from "../body/json-view.ts";
import type { Operation } from "../operation.ts";
import { estimatePrompt } from "../token-estimate.ts";

/**
 * Usage of an answer whose `outputTokens` were counted here. What was told counts: a stream may tell of its prompt at
 * its beginning, and of its answer only at its end. Of operations without counted tokens nothing is estimated.
 */
export function estimatedUsage(
  outputTokens: number,
  told: Usage | undefined,
  operation: Operation,
  request: JsonView,
): Usage | undefined {
  if (!operation.usage || operation.body !== "json") return told;
  const input = told?.inputTokens ?? estimatePrompt(request);
  const output = Math.max(outputTokens, told?.outputTokens ?? 0);
  const usage: Usage = {
    inputTokens: input,
    outputTokens: output,
    totalTokens: input + output,
    estimated: true,
  };
  if (told?.cachedTokens !== undefined) usage.cachedTokens = told.cachedTokens;
  if (told?.reasoningTokens !== undefined) usage.reasoningTokens = told.reasoningTokens;
  return usage;
}
