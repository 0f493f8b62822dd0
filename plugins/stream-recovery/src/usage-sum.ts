import type { JsonObject, Usage } from "gatewright";

/** What a broken attempt used: as reported, else by the text it brought. */
export interface BrokenPart {
  readonly usage: Usage | undefined;
  /** Chunks with text that it brought. */
  readonly pieces: number;
  /** Chunks with text that had been sent before it and that its prompt held. */
  readonly prefilled: number;
}

/**
 * The last chunk's `usage` with that of the broken attempts added. Most backends report usage at the end only, so a
 * broken one's is estimated: a token for each chunk of its text, and a prompt as long as the last attempt's, apart
 * from the text that only one of them was given. A sum with an estimate in it says so: `estimated: true`.
 */
export function addUsage(json: JsonObject, parts: readonly BrokenPart[], prefilled: number): JsonObject {
  const last = json["usage"] as Record<string, unknown> | null | undefined;
  if (typeof last !== "object" || last === null || typeof last["prompt_tokens"] !== "number") return json;
  let input = last["prompt_tokens"];
  let output = typeof last["completion_tokens"] === "number" ? last["completion_tokens"] : 0;
  const prompt = Math.max(0, input - prefilled);
  let estimated = false;
  for (const { usage, pieces, prefilled: given } of parts) {
    input += usage?.inputTokens ?? prompt + given;
    output += usage?.outputTokens ?? pieces;
    estimated ||= usage === undefined || usage.estimated === true;
  }
  const sum = { ...last, prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  return { ...json, usage: estimated ? { ...sum, estimated } : sum };
}
