import type { JsonObject, MappingInfo } from "gatewright";
import { isJsonObject } from "gatewright";

/**
 * Why a reply or the last line of a stream ended; undefined when it is no answer at all. A reason that is not known is an
 * end like any other, and is reported.
 */
export function toFinishReason(
  reply: JsonObject,
  info?: MappingInfo<unknown>,
): "stop" | "length" | undefined {
  switch (reply["done_reason"]) {
    case undefined:
    case "":
    // The model was loaded or unloaded, and nothing generated.
    case "load":
    case "unload":
      return undefined;
    case "length":
      return "length";
    case "stop":
      return "stop";
    default:
      info?.report("done_reason");
      return "stop";
  }
}

/** Counts of zero are left out by Ollama. */
export function toUsage(reply: JsonObject): JsonObject {
  const prompt = toCount(reply["prompt_eval_count"]);
  const completion = toCount(reply["eval_count"]);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

function toCount(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Seconds since the epoch of the reply's `created_at` (RFC 3339). */
export function toCreated(reply: JsonObject, info: MappingInfo<unknown>): number {
  const ms = typeof reply["created_at"] === "string" ? Date.parse(reply["created_at"]) : Number.NaN;
  return Number.isNaN(ms) ? info.nowSeconds : Math.floor(ms / 1000);
}

/** Log probabilities of a reply or line; undefined where there are none. */
export function readLogprobs(reply: JsonObject): JsonObject[] | undefined {
  const items = reply["logprobs"];
  return Array.isArray(items) && items.length > 0 ? items.filter(isJsonObject) : undefined;
}

/** Text that the error of a line or body holds. */
export function toErrorMessage(error: unknown): string {
  if (typeof error === "string") return error;
  if (isJsonObject(error) && typeof error["message"] === "string") return error["message"];
  return "The backend reported an error";
}

export const NO_ANSWER = "The backend loaded or unloaded the model and generated nothing";

/** A 2xx body of Ollama that is not an answer. */
export function errorInReply(body: JsonObject): { status: number; message: string } | undefined {
  if (body["error"]) return { status: 502, message: toErrorMessage(body["error"]) };
  const { embeddings } = body;
  if (Array.isArray(embeddings) && embeddings.every(Array.isArray)) return undefined;
  if (!isJsonObject(body["message"]) && typeof body["response"] !== "string")
    return { status: 502, message: "The backend's reply holds no answer" };
  return toFinishReason(body) === undefined ? { status: 502, message: NO_ANSWER } : undefined;
}
