import type { JsonObject, MappingInfo } from "gatewright";

/** Whether there are calls is seen by the message: some servers say `stop` after them, some `tool_calls` without any. */
const STOP_REASONS: ReadonlyMap<unknown, string> = new Map([
  ["stop", "end_turn"],
  ["tool_calls", "end_turn"],
  ["function_call", "end_turn"],
  ["length", "max_tokens"],
  ["content_filter", "refusal"],
]);

/** What a choice of chat says about its end. */
interface Ending {
  readonly finishReason: unknown;
  /** The stop string that was met, where the backend tells (vLLM). */
  readonly stopReason: unknown;
  readonly refusal: string;
  readonly hasCalls: boolean;
}

/** `stop_reason`, `stop_sequence` and `stop_details` of a message. A reason that nobody knows is reported. */
export function toStop(
  { finishReason, stopReason, refusal, hasCalls }: Ending,
  { request, report }: Pick<MappingInfo, "request" | "report">,
): JsonObject {
  if (typeof finishReason === "string" && !STOP_REASONS.has(finishReason)) report("finish_reason");
  const met = metStop(stopReason, request);
  let reason = STOP_REASONS.get(finishReason) ?? "end_turn";
  if (reason === "end_turn") {
    if (hasCalls) reason = "tool_use";
    else if (refusal !== "") reason = "refusal";
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
