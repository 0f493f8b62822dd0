import { isJsonObject } from "gatewright";
import type { JsonObject, Usage } from "gatewright";

/** Hub usage in Anthropic's names: of the prompt, what was read from and written to a cache is counted apart. */
export function toUsage(usage: unknown): JsonObject {
  const read: JsonObject = isJsonObject(usage) ? usage : {};
  const promptDetails: JsonObject = isJsonObject(read["prompt_tokens_details"])
    ? read["prompt_tokens_details"]
    : {};
  const completionDetails: JsonObject = isJsonObject(read["completion_tokens_details"])
    ? read["completion_tokens_details"]
    : {};
  const cached = count(promptDetails["cached_tokens"]);
  const written = count(promptDetails["cache_write_tokens"]);
  const thinking = count(completionDetails["reasoning_tokens"]);
  const prompt = count(read["prompt_tokens"]) ?? 0;
  return {
    input_tokens: Math.max(0, prompt - (cached ?? 0) - (written ?? 0)),
    cache_creation_input_tokens: written ?? null,
    cache_read_input_tokens: cached ?? null,
    output_tokens: count(read["completion_tokens"]) ?? 0,
    output_tokens_details: thinking === undefined ? null : { thinking_tokens: thinking },
    server_tool_use: null,
  };
}

/**
 * Anthropic's usage for the gateway's books. In a stream it comes in two parts, of which the second may repeat the
 * counts of the first or leave them out.
 */
export function readUsage(usage: unknown, before?: Usage): Usage | undefined {
  if (!isJsonObject(usage)) return undefined;
  const input = count(usage["input_tokens"]);
  const output = count(usage["output_tokens"]);
  if (input === undefined && output === undefined) return undefined;
  const cached = count(usage["cache_read_input_tokens"]);
  const written = count(usage["cache_creation_input_tokens"]);
  // Counts are cumulative: what is less than before was only told in part.
  const inputTokens = Math.max((input ?? 0) + (cached ?? 0) + (written ?? 0), before?.inputTokens ?? 0);
  const outputTokens = Math.max(output ?? 0, before?.outputTokens ?? 0);
  const details = usage["output_tokens_details"];
  const read: Usage = { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens };
  const cachedTokens = cached ?? before?.cachedTokens;
  if (cachedTokens !== undefined) read.cachedTokens = cachedTokens;
  const reasoning = isJsonObject(details) ? count(details["thinking_tokens"]) : before?.reasoningTokens;
  if (reasoning !== undefined) read.reasoningTokens = reasoning;
  return read;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
