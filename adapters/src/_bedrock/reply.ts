import { compact, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, OperationName } from "gatewright";
import { floatsOf } from "../_cohere/reply.ts";

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, `stopReason`. */
const FINISH_REASONS: ReadonlyMap<unknown, string> = new Map([
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["tool_use", "tool_calls"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["guardrail_intervened", "content_filter"],
  ["content_filtered", "content_filter"],
]);

/** A reason that is not known is an end like any other, and is reported. */
export function toFinishReason(reason: unknown, info: MappingInfo<unknown>): string {
  if (!FINISH_REASONS.has(reason)) info.report("stopReason");
  return FINISH_REASONS.get(reason) ?? "stop";
}

/** The model wrote what nobody can read: no answer, and worth another try. */
export function toFailure(reason: unknown): { status: number; code: string; message: string } | undefined {
  if (reason !== "malformed_model_output" && reason !== "malformed_tool_use") return undefined;
  return { status: 502, code: reason, message: "The model's output is malformed" };
}

/** The stop string that matched, where the model tells it (Claude does, being asked for `/stop_sequence`). */
export function toStopReason(fields: unknown): { stop_reason?: string } {
  const matched = isJsonObject(fields) ? fields["stop_sequence"] : undefined;
  return typeof matched === "string" ? { stop_reason: matched } : {};
}

/**
 * `inputTokens` are those that the cache did not see:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
 */
export function toUsage(usage: unknown): JsonObject | undefined {
  if (!isJsonObject(usage)) return undefined;
  const input = count(usage["inputTokens"]);
  const output = count(usage["outputTokens"]);
  if (input === undefined || output === undefined) return undefined;
  const cached_tokens = count(usage["cacheReadInputTokens"]);
  const cache_write_tokens = count(usage["cacheWriteInputTokens"]);
  const prompt = input + (cached_tokens ?? 0) + (cache_write_tokens ?? 0);
  const details = compact({ cached_tokens, cache_write_tokens });
  return {
    prompt_tokens: prompt,
    completion_tokens: output,
    total_tokens: prompt + output,
    ...(Object.keys(details).length > 0 && { prompt_tokens_details: details }),
  };
}

export function count(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Statuses of exceptions that come inside a stream, as the API gives them outside of one. */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  ["validationException", 400],
  ["modelTimeoutException", 408],
  ["modelStreamErrorException", 424],
  ["throttlingException", 429],
  ["internalServerException", 500],
  ["serviceUnavailableException", 503],
]);

/** An exception of a stream as the hub's error. */
export function toStreamError({ name, message }: JsonObject): JsonObject {
  return {
    status: STATUSES.get(name) ?? 500,
    code: name,
    message: typeof message === "string" ? message : "The backend reported an exception",
  };
}

/** What an answer of each operation has. */
const ANSWERS: Readonly<Partial<Record<OperationName, (body: JsonObject) => boolean>>> = {
  chat: ({ output, stopReason }) =>
    isJsonObject(output) && isJsonObject(output["message"]) && typeof stopReason === "string",
  embeddings: (body) => Array.isArray(body["embedding"]) || floatsOf(body) !== undefined,
  messages: ({ type }) => type === "message",
  messagesCountTokens: ({ inputTokens }) => typeof inputTokens === "number",
};

/** A 2xx body that is no answer, or one that nobody can read. */
export function errorInReply(
  body: JsonObject,
  operation: OperationName,
): { status: number; message: string; code?: string } | undefined {
  if (ANSWERS[operation]?.(body)) return toFailure(body["stopReason"]);
  return { status: 502, message: "The backend's reply holds no answer" };
}
