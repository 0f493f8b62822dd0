import * as v from "valibot";
import { EFFORTS, KNOWN_EFFORTS } from "./effort.ts";

export const AnthropicApiOptions = v.strictObject({
  /**
   * The values of `reasoning_effort` that models take, by their names at the backend, with `*`; the first that fits
   * counts. `thinking` and `output_config.effort` become the nearest of them. A model that no pattern fits is sent
   * none. Your entries come before the built-in ones, which know OpenAI's, Anthropic's and Google's models and
   * gpt-oss.
   */
  reasoningEfforts: v.optional(v.record(v.string(), v.array(v.picklist(EFFORTS))), {}),
});
export type AnthropicApiOptions = v.InferInput<typeof AnthropicApiOptions>;

/** The user's table, then the built-in one. */
export function effortTable(own: v.InferOutput<typeof AnthropicApiOptions>["reasoningEfforts"]) {
  return { ...own, ...Object.fromEntries(Object.entries(KNOWN_EFFORTS).filter(([name]) => !(name in own))) };
}
