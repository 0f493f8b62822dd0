import { REASONING_EFFORTS } from "gatewright";
import * as v from "valibot";

const DAY_MS = 86_400_000;

export const AnthropicApiOptions = v.strictObject({
  /**
   * The values of `reasoning_effort` that models take, by their names at the backend, with `*`; the first that fits
   * counts. `thinking` and `output_config.effort` become the nearest of them. A model that no pattern fits is sent
   * none. Your entries come before what the backend's adapter knows: the built-in ones know OpenAI's, Anthropic's and
   * Google's models and gpt-oss.
   */
  reasoningEfforts: v.optional(v.record(v.string(), v.array(v.picklist(REASONING_EFFORTS))), {}),
  /** How long it is known which backend keeps a thread, in milliseconds, at most a year. @default 2_592_000_000 */
  threadTtlMs: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(365 * DAY_MS)),
    30 * DAY_MS,
  ),
});

export type AnthropicApiOptions = v.InferOutput<typeof AnthropicApiOptions>;
