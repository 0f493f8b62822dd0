import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

const STOP_REASONS: Readonly<Record<string, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  function_call: "tool_use",
  content_filter: "refusal",
};

/** What a choice of chat says about its end. */
interface Ending {
  readonly finishReason: unknown;
  /** The stop string that was met, where the backend tells (vLLM). */
  readonly stopReason: unknown;
  readonly refusal: string;
  /** Some servers say `stop` after calls. */
  readonly hasCalls: boolean;
}

/** `stop_reason`, `stop_sequence` and `stop_details` of a message. */
export function toStop(
  { finishReason, stopReason, refusal, hasCalls }: Ending,
  request: JsonObject,
): JsonObject {
  const met = metStop(stopReason, request);
  let reason = STOP_REASONS[String(finishReason)] ?? "end_turn";
  if (reason === "end_turn") {
    if (refusal !== "") reason = "refusal";
    else if (hasCalls) reason = "tool_use";
    else if (met !== null) reason = "stop_sequence";
  }
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? met : null,
    stop_details:
      reason === "refusal"
        ? { type: "refusal", category: null, explanation: refusal === "" ? null : refusal }
        : null,
  };
}

function metStop(stopReason: unknown, { stop_sequences: asked }: JsonObject): string | null {
  return typeof stopReason === "string" && Array.isArray(asked) && asked.includes(stopReason)
    ? stopReason
    : null;
}

/** The first choice of a reply or a chunk of chat. */
export function firstChoice(json: JsonObject): JsonObject | undefined {
  const { choices } = json;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return isJsonObject(choice) ? choice : undefined;
}

/** Reasoning in the spellings of the field. */
export function reasoningOf(message: JsonObject): string {
  const text = message["reasoning_content"] ?? message["reasoning"];
  return typeof text === "string" ? text : "";
}
