import type { Answer } from "../answer.ts";
import { asObject, type JsonObject } from "../json-fields.ts";
import type { Settings } from "../settings.ts";

/** Usage of chat and completions. A prompt counts once, whatever the number of choices. */
export function usageOf(answers: Answer[], settings: Settings, choices = answers.length) {
  const prompts = answers.filter((_, index) => index % choices === 0);
  const prompt = prompts.reduce((sum, given) => sum + given.inputTokens, 0);
  const completion = answers.reduce((sum, given) => sum + given.outputTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: Math.min(settings.cachedTokens, prompt), audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: answers.reduce((sum, given) => sum + given.thinking.length, 0),
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/**
 * How `stream_options.include_usage` shows: `usage: null` in the other chunks and one more chunk after the finish,
 * without choices. Not asked for: neither.
 */
export function usageChunks(body: JsonObject, usage: JsonObject) {
  const asked = asObject(body.stream_options).include_usage === true;
  return {
    inOtherChunks: asked ? { usage: null } : {},
    lastChunk: (head: JsonObject): JsonObject | undefined =>
      asked ? { ...head, choices: [], usage } : undefined,
  };
}
