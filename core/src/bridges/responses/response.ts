import type { MappingInfo } from "../../adapter.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { toResponseId } from "./ids.ts";

/** A response as it begins: the fields of the request echoed, and what a request that names none of them means. */
export function startResponse({ request, requestId, requestedModel, nowSeconds }: MappingInfo): JsonObject {
  const text = isJsonObject(request["text"]) ? request["text"] : {};
  const reasoning = isJsonObject(request["reasoning"]) ? request["reasoning"] : {};
  return {
    id: toResponseId(requestId),
    object: "response",
    created_at: nowSeconds,
    status: "in_progress",
    background: false,
    error: null,
    incomplete_details: null,
    instructions: request["instructions"] ?? null,
    max_output_tokens: request["max_output_tokens"] ?? null,
    max_tool_calls: request["max_tool_calls"] ?? null,
    metadata: request["metadata"] ?? {},
    model: requestedModel,
    output: [],
    parallel_tool_calls: request["parallel_tool_calls"] ?? true,
    previous_response_id: null,
    prompt_cache_key: request["prompt_cache_key"] ?? null,
    reasoning: { effort: reasoning["effort"] ?? null, summary: reasoning["summary"] ?? null },
    safety_identifier: request["safety_identifier"] ?? null,
    service_tier: request["service_tier"] ?? null,
    store: false,
    // Null: the backend's own default, which it does not tell.
    temperature: request["temperature"] ?? null,
    text: { ...text, format: text["format"] ?? { type: "text" } },
    tool_choice: request["tool_choice"] ?? "auto",
    tools: request["tools"] ?? [],
    top_logprobs: request["top_logprobs"] ?? 0,
    top_p: request["top_p"] ?? null,
    truncation: "disabled",
    usage: null,
    user: request["user"] ?? null,
  };
}

/** Why an answer is not the whole of what the model would have said; undefined for one that is. */
function incompleteReason(finish: unknown): string | undefined {
  if (finish === "length") return "max_output_tokens";
  return finish === "content_filter" ? "content_filter" : undefined;
}

/** How an answer ended, and with it the last of its items. */
export function endStatus(finish: unknown): "completed" | "incomplete" {
  return incompleteReason(finish) === undefined ? "completed" : "incomplete";
}

const KNOWN_FINISHES = new Set<unknown>(["stop", "length", "tool_calls", "function_call", "content_filter"]);

/** An end that nobody knows is told as an ordinary one. */
export function reportUnknownFinish(finish: unknown, { report }: Pick<MappingInfo, "report">): void {
  if (typeof finish === "string" && !KNOWN_FINISHES.has(finish)) report("finish_reason");
}

/** The same response at its end. */
export function endResponse(
  started: JsonObject,
  end: { output: readonly JsonObject[]; finish: unknown; usage: unknown; serviceTier: unknown },
): JsonObject {
  const reason = incompleteReason(end.finish);
  return {
    ...started,
    status: endStatus(end.finish),
    incomplete_details: reason === undefined ? null : { reason },
    output: end.output,
    service_tier: end.serviceTier ?? started["service_tier"],
    usage: toUsage(end.usage),
  };
}

const COUNTS = ["prompt_tokens", "completion_tokens"];

/** Null where the backend told none: the client must not take an estimate for a measure. */
function toUsage(usage: unknown): JsonObject | null {
  if (!isJsonObject(usage) || !COUNTS.some((name) => typeof usage[name] === "number")) return null;
  const input = count(usage["prompt_tokens"]);
  const output = count(usage["completion_tokens"]);
  const prompt = isJsonObject(usage["prompt_tokens_details"]) ? usage["prompt_tokens_details"] : {};
  const completion = isJsonObject(usage["completion_tokens_details"])
    ? usage["completion_tokens_details"]
    : {};
  const inputDetails: JsonObject = { cached_tokens: count(prompt["cached_tokens"]) };
  if (prompt["cache_write_tokens"] !== undefined)
    inputDetails["cache_write_tokens"] = count(prompt["cache_write_tokens"]);
  return {
    input_tokens: input,
    input_tokens_details: inputDetails,
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: count(completion["reasoning_tokens"]) },
    total_tokens: typeof usage["total_tokens"] === "number" ? usage["total_tokens"] : input + output,
  };
}

function count(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
