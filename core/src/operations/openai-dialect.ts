import type { Usage } from "../attempt.ts";
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
  const usage = json["usage"] as OpenAIUsage | null | undefined;
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

export const wantsStream = (body: JsonObject): boolean => body["stream"] === true;

/** Multipart fields are text. */
export const wantsStreamField = (body: JsonObject): boolean => body["stream"] === "true";

export function missing(param: string): FieldFault {
  return { param, missing: true, message: `\`${param}\` is required` };
}

export function wrongType(param: string, expected: string): FieldFault {
  return { param, message: `\`${param}\` must be ${expected}` };
}

/** Numbers that decide how much is produced: a negative or absurd one would make a negative or absurd cost. */
export function checkAmounts(body: JsonObject): FieldFault | undefined {
  for (const param of ["max_tokens", "max_completion_tokens", "max_output_tokens"]) {
    const value = body[param];
    if (value === undefined || value === null) continue;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0)
      return wrongType(param, "a whole number of 0 or more");
  }
  const { n, temperature, stream } = body;
  if (n !== undefined && n !== null && (typeof n !== "number" || !Number.isInteger(n) || n < 1 || n > 128))
    return wrongType("n", "a whole number from 1 to 128");
  if (temperature !== undefined && temperature !== null && typeof temperature !== "number")
    return wrongType("temperature", "a number");
  if (stream !== undefined && stream !== null && typeof stream !== "boolean")
    return wrongType("stream", "true or false");
  return undefined;
}

export function answersOf(body: JsonObject): number {
  return typeof body["n"] === "number" ? body["n"] : 1;
}
