import type { Usage } from "../attempt.ts";
import type { JsonType, JsonView } from "../body/json-view.ts";
import type { GatewayError } from "../errors.ts";
import type { Dialect, FieldFault, JsonObject } from "../operation.ts";
import { writeSse } from "../stream/sse-decoder.ts";

/** OpenAI's error shape: `{ error: { message, type, param, code } }`, in replies and in streams. */
export const openaiDialect: Dialect = {
  name: "openai",
  errorBody: (error) => JSON.stringify(errorObject(error)),
  // The official SDKs throw on any event whose JSON has a truthy top-level `error`.
  errorEvent: (error) => writeSse(JSON.stringify(errorObject(error))),
};

/**
 * The Responses API names its events: `event: error`, flat. The `error` object stands beside, since the official SDKs
 * throw on nothing else and would take the broken stream for a whole one.
 */
export const responsesDialect: Dialect = {
  name: "openai",
  errorBody: openaiDialect.errorBody,
  errorEvent: (error) =>
    writeSse(
      JSON.stringify({
        type: "error",
        code: error.code,
        message: error.message,
        param: error.param,
        sequence_number: 0,
        ...errorObject(error),
      }),
      "error",
    ),
};

function errorObject(error: GatewayError): JsonObject {
  const { message, type, param, code, details } = error;
  return { error: details ? { message, type, param, code, details } : { message, type, param, code } };
}

interface OpenAIUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  total_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
  input_tokens_details?: { cached_tokens?: number } | null;
  completion_tokens_details?: { reasoning_tokens?: number } | null;
  output_tokens_details?: { reasoning_tokens?: number } | null;
}

/** Reads `usage` in both spellings: `prompt_tokens` (chat, embeddings) and `input_tokens` (responses, audio, images). */
export function readUsage(json: JsonObject): Usage | undefined {
  return toUsage(json["usage"] as OpenAIUsage | null | undefined);
}

/** The same of a whole reply, of which nothing else is parsed. */
export function usageOf(reply: JsonView): Usage | undefined {
  return toUsage(reply.get("usage") as OpenAIUsage | null | undefined);
}

function toUsage(usage: OpenAIUsage | null | undefined): Usage | undefined {
  if (typeof usage !== "object" || usage === null) return undefined;
  const inputTokens = usage.prompt_tokens ?? usage.input_tokens;
  const outputTokens = usage.completion_tokens ?? usage.output_tokens ?? 0;
  const total = usage.total_tokens;
  if (typeof inputTokens !== "number" && typeof total !== "number") return undefined;
  const input = inputTokens ?? Math.max(0, total! - outputTokens);
  const cached = (usage.prompt_tokens_details ?? usage.input_tokens_details)?.cached_tokens;
  const reasoning = (usage.completion_tokens_details ?? usage.output_tokens_details)?.reasoning_tokens;
  return {
    inputTokens: input,
    outputTokens,
    totalTokens: total ?? input + outputTokens,
    ...(cached !== undefined && { cachedTokens: cached }),
    ...(reasoning !== undefined && { reasoningTokens: reasoning }),
  };
}

/** `error` at the top of an event, in any of the forms in the field. */
export function readStreamError(
  json: JsonObject,
): { message: string; code?: string; status?: number } | undefined {
  const { error } = json;
  if (!error) return undefined;
  if (typeof error !== "object") return { message: typeof error === "string" ? error : "error" };
  const { message, code, status } = error as Record<string, unknown>;
  return {
    message: typeof message === "string" ? message : "error",
    ...(typeof code === "string" && { code }),
    ...((typeof code === "number" || typeof status === "number") && { status: (status ?? code) as number }),
  };
}

export const wantsStream = (body: JsonView): boolean => body.get("stream") === true;

/** Multipart fields are text. */
export const wantsStreamField = (body: JsonView): boolean => body.get("stream") === "true";

/** Absent, or null, which means the same. */
export function isAbsent(body: JsonView, name: string): boolean {
  const type = body.typeOf(name);
  return type === "missing" || type === "null";
}

/** A fault unless the member is one of these types. */
export function requireType(
  body: JsonView,
  name: string,
  types: readonly JsonType[],
  expected: string,
): FieldFault | undefined {
  if (isAbsent(body, name)) return missing(name);
  return types.includes(body.typeOf(name)) ? undefined : wrongType(name, expected);
}

export function missing(param: string): FieldFault {
  return { param, missing: true, message: `\`${param}\` is required` };
}

export function wrongType(param: string, expected: string): FieldFault {
  return { param, message: `\`${param}\` must be ${expected}` };
}

const LIMITS = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/** Numbers that decide how much is produced: a negative or absurd one would make a negative or absurd cost. */
export function checkAmounts(body: JsonView): FieldFault | undefined {
  for (const param of LIMITS) {
    const type = body.typeOf(param);
    if (type === "missing" || type === "null") continue;
    const value = body.get(param);
    if (!Number.isInteger(value) || (value as number) < 0)
      return wrongType(param, "a whole number of 0 or more");
  }
  if (!isAbsent(body, "n")) {
    const n = body.get("n");
    if (!Number.isInteger(n) || (n as number) < 1 || (n as number) > 128)
      return wrongType("n", "a whole number from 1 to 128");
  }
  if (!isAbsent(body, "temperature") && body.typeOf("temperature") !== "number")
    return wrongType("temperature", "a number");
  if (!isAbsent(body, "stream") && body.typeOf("stream") !== "boolean")
    return wrongType("stream", "true or false");
  return undefined;
}

export function answersOf(body: JsonView): number {
  const n = body.get("n");
  return typeof n === "number" ? n : 1;
}
