import { compact, isEmpty, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";

type FinishReason = "stop" | "length" | "content_filter";

/**
 * https://ai.google.dev/api/generate-content#FinishReason. Those that are missing here are failures, or say what the hub
 * has no word for: `LANGUAGE`, `OTHER`, and later ones.
 */
const FINISH_REASONS: ReadonlyMap<unknown, FinishReason> = new Map<unknown, FinishReason>([
  ["STOP", "stop"],
  ["MAX_TOKENS", "length"],
  ["CONTINUATION", "length"],
  ["SAFETY", "content_filter"],
  ["RECITATION", "content_filter"],
  ["BLOCKLIST", "content_filter"],
  ["PROHIBITED_CONTENT", "content_filter"],
  ["SPII", "content_filter"],
  ["MODEL_ARMOR", "content_filter"],
  ["IMAGE_SAFETY", "content_filter"],
  ["IMAGE_PROHIBITED_CONTENT", "content_filter"],
  ["IMAGE_RECITATION", "content_filter"],
  ["IMAGE_OTHER", "content_filter"],
]);

/** The model broke off without an answer: a call that it could not write, an image that it did not make. */
const FAILURES: ReadonlySet<unknown> = new Set([
  "MALFORMED_FUNCTION_CALL",
  "UNEXPECTED_TOOL_CALL",
  "TOO_MANY_TOOL_CALLS",
  "MISSING_THOUGHT_SIGNATURE",
  "MALFORMED_RESPONSE",
  "NO_IMAGE",
]);

/** Has the candidate ended? */
export function hasEnded(candidate: JsonObject): boolean {
  const reason = candidate["finishReason"];
  return typeof reason === "string" && reason !== "" && reason !== "FINISH_REASON_UNSPECIFIED";
}

/** How it ended. A reason that the hub has no word for ends an answer like any other, and is reported. */
export function toFinishReason(
  candidate: JsonObject,
  calls: number,
  info: MappingInfo<unknown>,
): string | undefined {
  if (!hasEnded(candidate)) return undefined;
  const reason = candidate["finishReason"];
  if (!FINISH_REASONS.has(reason)) info.report("candidates[].finishReason");
  const finish = FINISH_REASONS.get(reason) ?? "stop";
  return finish === "stop" && calls > 0 ? "tool_calls" : finish;
}

/** What to say of a candidate that failed; undefined when it did not. */
export function failureOf(candidate: JsonObject): string | undefined {
  const reason = candidate["finishReason"];
  return FAILURES.has(reason) ? `The model ended without an answer: ${String(reason)}` : undefined;
}

export function candidatesOf(reply: JsonObject): JsonObject[] {
  const { candidates } = reply;
  return Array.isArray(candidates) ? candidates.filter(isJsonObject) : [];
}

/** The prompt was refused: a 200 without candidates. */
export function isBlocked(reply: JsonObject): boolean {
  const feedback = reply["promptFeedback"];
  return isJsonObject(feedback) && Boolean(feedback["blockReason"]);
}

/** Place of a candidate among the choices; the first, where it is not said. */
export function indexOf(candidate: JsonObject): number {
  return toCount(candidate["index"]);
}

/** What of a candidate the client sees, piece by piece, in the order in which it came. */
export function partsOf(candidate: JsonObject): JsonObject[] {
  const { content } = candidate;
  const parts = isJsonObject(content) ? content["parts"] : undefined;
  return Array.isArray(parts) ? parts.filter(isJsonObject) : [];
}

export function idOf(reply: JsonObject, info: MappingInfo<unknown>): string {
  const { responseId } = reply;
  return typeof responseId === "string" && responseId !== "" ? responseId : `chatcmpl-${info.requestId}`;
}

/**
 * Usage in the hub's shape: https://ai.google.dev/api/generate-content#UsageMetadata. Thoughts are not among the
 * candidates' tokens there, and are part of the completion here.
 */
export function toUsage(metadata: unknown): JsonObject {
  const counts = isJsonObject(metadata) ? metadata : {};
  const prompt = toCount(counts["promptTokenCount"]) + toCount(counts["toolUsePromptTokenCount"]);
  const thoughts = toCount(counts["thoughtsTokenCount"]);
  const completion = toCount(counts["candidatesTokenCount"]) + thoughts;
  const cached = counts["cachedContentTokenCount"];
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...toDetails("prompt_tokens_details", {
      cached_tokens: cached === undefined ? undefined : toCount(cached),
      audio_tokens: audioIn(counts["promptTokensDetails"]),
    }),
    ...toDetails("completion_tokens_details", {
      reasoning_tokens: thoughts || undefined,
      audio_tokens: audioIn(counts["candidatesTokensDetails"]),
    }),
  };
}

function toDetails(name: string, counts: JsonObject): JsonObject {
  const known = compact(counts);
  return isEmpty(known) ? {} : { [name]: known };
}

/** Tokens of audio in `[{ modality, tokenCount }]`; undefined where there are none. */
function audioIn(details: unknown): number | undefined {
  if (!Array.isArray(details)) return undefined;
  const audio = details.filter(isJsonObject).find(({ modality }) => modality === "AUDIO");
  return (audio && toCount(audio["tokenCount"])) || undefined;
}

export function toCount(value: unknown): number {
  return typeof value === "number" && value >= 0 ? value : 0;
}

/** `logprobsResult` of a candidate in the hub's shape; undefined where there is none. */
export function toLogprobs(candidate: JsonObject): JsonObject | undefined {
  const result = candidate["logprobsResult"];
  const chosen = isJsonObject(result) ? result["chosenCandidates"] : undefined;
  if (!isJsonObject(result) || !Array.isArray(chosen)) return undefined;
  const tops: readonly unknown[] = Array.isArray(result["topCandidates"]) ? result["topCandidates"] : [];
  return {
    content: chosen.filter(isJsonObject).map((token, index) => {
      const top = tops[index];
      const list = isJsonObject(top) && Array.isArray(top["candidates"]) ? top["candidates"] : [];
      return { ...toToken(token), top_logprobs: list.filter(isJsonObject).map(toToken) };
    }),
    refusal: null,
  };
}

function toToken({ token, logProbability }: JsonObject): JsonObject {
  return { token: token ?? "", logprob: logProbability ?? 0, bytes: null };
}
