import { isJsonObject } from "gatewright";
import type { JsonObject, JsonView, Usage } from "gatewright";

/**
 * OpenAI's counts as Google's: thoughts stand beside the candidates' tokens, not within them. Undefined where the backend
 * told none.
 */
export function toUsageMetadata(usage: unknown): JsonObject | undefined {
  if (!isJsonObject(usage)) return undefined;
  const { prompt_tokens, completion_tokens } = usage;
  const prompt = toCount(prompt_tokens) ?? 0;
  const completion = toCount(completion_tokens) ?? 0;
  if (toCount(prompt_tokens) === undefined && toCount(completion_tokens) === undefined) return undefined;
  const cached = toCount(member(usage, "prompt_tokens_details", "cached_tokens"));
  const reasoning = toCount(member(usage, "completion_tokens_details", "reasoning_tokens")) ?? 0;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: Math.max(0, completion - reasoning),
    totalTokenCount: toCount(usage["total_tokens"]) ?? prompt + completion,
    ...(cached && { cachedContentTokenCount: cached }),
    ...(reasoning && { thoughtsTokenCount: reasoning }),
  };
}

/** What a reply or an event in Google's own dialect says that it used. */
export function readUsageMetadata(reply: JsonView): Usage | undefined {
  const counts = reply.view("usageMetadata");
  if (!counts) return undefined;
  const read = (name: string): number => toCount(counts.get(name)) ?? 0;
  const thoughts = read("thoughtsTokenCount");
  const cached = read("cachedContentTokenCount");
  const inputTokens = read("promptTokenCount") + read("toolUsePromptTokenCount");
  const outputTokens = read("candidatesTokenCount") + thoughts;
  const usage: Usage = {
    inputTokens,
    outputTokens,
    totalTokens: read("totalTokenCount") || inputTokens + outputTokens,
  };
  if (cached > 0) usage.cachedTokens = cached;
  if (thoughts > 0) usage.reasoningTokens = thoughts;
  return usage;
}

function member(object: JsonObject, outer: string, inner: string): unknown {
  const value = object[outer];
  return isJsonObject(value) ? value[inner] : undefined;
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
