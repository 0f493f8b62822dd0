import type { Usage } from "../attempt.ts";
import type { ModelPrice } from "./model-facts.ts";

/**
 * What an answer cost, in whole millionths of a US dollar, half of one rounded up: integers, so that sums are exact.
 * Tokens that the backend had in its cache are part of the input ones and may have a price of their own.
 */
export function costInMicros(usage: Usage, price: ModelPrice): number {
  const { inputTokens, outputTokens, cachedTokens = 0 } = usage;
  const { prompt, completion, cachedPrompt = prompt } = price;
  const dollars =
    (inputTokens - cachedTokens) * prompt + cachedTokens * cachedPrompt + outputTokens * completion;
  // Twelve digits: what is beyond them is not the price but the error of binary fractions.
  return Math.round(Number((dollars * 1e6).toPrecision(12)));
}
