import { compact, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, OperationName } from "gatewright";

/** Why an answer ended, by `finish_reason`. Errors and time limits are no ends: see `toFailure`. */
const FINISH_REASONS: ReadonlyMap<unknown, string> = new Map([
  ["COMPLETE", "stop"],
  ["STOP_SEQUENCE", "stop"],
  ["MAX_TOKENS", "length"],
  ["TOOL_CALL", "tool_calls"],
]);

/** A reason that is not known is an end like any other, and is reported. */
export function toFinishReason(reason: unknown, info: MappingInfo<unknown>): string {
  if (!FINISH_REASONS.has(reason)) info.report("finish_reason");
  return FINISH_REASONS.get(reason) ?? "stop";
}

/** An answer that the backend gave up. */
export function toFailure(reason: unknown, error?: unknown): { status: number; message: string } | undefined {
  const said = typeof error === "string" && error !== "" ? error : undefined;
  if (reason === "TIMEOUT") return { status: 504, message: said ?? "The backend ran out of time" };
  if (reason === "ERROR" || said !== undefined)
    return { status: 502, message: said ?? "The backend failed while it answered" };
  return undefined;
}

/**
 * `tokens` is what was counted, `billed_units` what is paid for, which is passed on beside. Where there is no count
 * the bill tells. Undefined where neither does.
 */
export function toUsage(usage: unknown): JsonObject | undefined {
  if (!isJsonObject(usage)) return undefined;
  const { billed_units: billed, cached_tokens } = usage;
  const prompt = count(usage["tokens"], "input_tokens") ?? count(billed, "input_tokens");
  const completion = count(usage["tokens"], "output_tokens") ?? count(billed, "output_tokens") ?? 0;
  if (prompt === undefined) return undefined;
  return compact({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: typeof cached_tokens === "number" ? { cached_tokens } : undefined,
    billed_units: billed,
  });
}

/** A number of the object, if it is one. */
export function count(object: unknown, name: string): number | undefined {
  const value = isJsonObject(object) ? object[name] : undefined;
  return typeof value === "number" ? value : undefined;
}

/** What an answer of each operation has. */
const ANSWERS: Readonly<Partial<Record<OperationName, (body: JsonObject) => boolean>>> = {
  chat: ({ message, finish_reason }) => isJsonObject(message) && typeof finish_reason === "string",
  embeddings: (body) => floatsOf(body) !== undefined,
  rerank: ({ results }) => Array.isArray(results),
};

/** A 2xx body that is no answer, or one that was given up. */
export function errorInReply(
  body: JsonObject,
  operation: OperationName,
): { status: number; message: string } | undefined {
  if (ANSWERS[operation]?.(body)) return toFailure(body["finish_reason"]);
  return { status: 502, message: "The backend's reply holds no answer" };
}

/** The vectors of an embeddings reply: by type, or bare as older models give them. */
export function floatsOf(body: JsonObject): number[][] | undefined {
  const { embeddings } = body;
  const floats = isJsonObject(embeddings) ? embeddings["float"] : embeddings;
  return Array.isArray(floats) && floats.every(Array.isArray) ? floats : undefined;
}
