import type { Usage } from "./attempt.ts";

/** Two usages together; with an estimate among them the sum is one. */
export function addUsage(sum: Usage | undefined, more: Usage | undefined): Usage | undefined {
  if (!sum || !more) return sum ?? more;
  return {
    inputTokens: sum.inputTokens + more.inputTokens,
    outputTokens: sum.outputTokens + more.outputTokens,
    totalTokens: sum.totalTokens + more.totalTokens,
    cachedTokens: (sum.cachedTokens ?? 0) + (more.cachedTokens ?? 0),
    reasoningTokens: (sum.reasoningTokens ?? 0) + (more.reasoningTokens ?? 0),
    ...((sum.estimated || more.estimated) && { estimated: true }),
  };
}
