import { callIdOf, isFieldName, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";

/** Ids that the backend did not give are made of the request's. */
export function toReplyId(message: JsonObject, { requestId }: MappingInfo<unknown>): string {
  return toId(message["id"]) ?? `chatcmpl-${requestId}`;
}

export function toCallId(block: JsonObject, index: number, { requestId }: MappingInfo<unknown>): string {
  return toId(block["id"]) ?? callIdOf(requestId, index);
}

function toId(id: unknown): string | undefined {
  return typeof id === "string" && id !== "" ? id : undefined;
}

const FINISH_REASONS: ReadonlyMap<unknown, string> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_use", "tool_calls"],
  ["refusal", "content_filter"],
]);

/**
 * https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons. What is missing above is reported and
 * taken for `stop`: later reasons, and `pause_turn`, after which a client of that API would ask the model to go on.
 */
export function toFinish(
  { stop_reason, stop_sequence }: JsonObject,
  answeredByTool: boolean,
  info: MappingInfo<unknown>,
): JsonObject {
  if (typeof stop_reason === "string" && !FINISH_REASONS.has(stop_reason)) info.report("stop_reason");
  const reason = FINISH_REASONS.get(stop_reason) ?? "stop";
  return {
    finish_reason: answeredByTool && reason === "tool_calls" ? "stop" : reason,
    ...(stop_reason === "stop_sequence" &&
      typeof stop_sequence === "string" && { stop_reason: stop_sequence }),
  };
}

/** Why the model refused, where it says so. */
export function toRefusal({ stop_details }: JsonObject): string | null {
  const explanation = isJsonObject(stop_details) ? stop_details["explanation"] : undefined;
  return typeof explanation === "string" && explanation !== "" ? explanation : null;
}

/** A block for which chats have no place. */
export function reportBlock({ type }: JsonObject, info: MappingInfo<unknown>): void {
  info.report(isFieldName(type) ? `content[].${type}` : "content[]");
}

/** Anthropic counts what its cache held, or took, beside the rest of the input. */
export function toUsage(usage: JsonObject): JsonObject {
  const read = toCount(usage["cache_read_input_tokens"]);
  const written = toCount(usage["cache_creation_input_tokens"]);
  const prompt = toCount(usage["input_tokens"]) + read + written;
  const completion = toCount(usage["output_tokens"]);
  const details = usage["output_tokens_details"];
  const thought = isJsonObject(details) ? details["thinking_tokens"] : undefined;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: read, cache_write_tokens: written },
    ...(typeof thought === "number" && { completion_tokens_details: { reasoning_tokens: thought } }),
  };
}

function toCount(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** The stretch of the answer's text that is cited for, in UTF-16 units. */
interface Stretch {
  start: number;
  end: number;
}

/** Citations of web pages. Those of documents have no counterpart in OpenAI's shape, and are reported. */
export function toAnnotations(
  citations: unknown,
  { start, end }: Stretch,
  info: MappingInfo<unknown>,
): JsonObject[] {
  if (!Array.isArray(citations)) return [];
  return citations.filter(isJsonObject).flatMap(({ url, title }) => {
    if (typeof url !== "string") {
      info.report("content[].citations");
      return [];
    }
    return {
      type: "url_citation",
      url_citation: {
        start_index: start,
        end_index: end,
        url,
        title: typeof title === "string" ? title : "",
      },
    };
  });
}
