import type { Usage } from "../attempt.ts";
import { viewOfMember, type JsonType, type JsonView } from "../body/json-view.ts";
import type { GatewayError } from "../errors.ts";
import { checkWhole, wrongField } from "../field-fault.ts";
import { isJsonObject } from "../json-object.ts";
import type { Dialect, FieldFault, JsonObject, ParameterPlaces, StreamFailure } from "../operation.ts";
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
  errorEvent: (error, _requestId, before) =>
    writeSse(
      JSON.stringify({
        type: "error",
        code: error.code,
        message: error.message,
        param: error.param,
        sequence_number: nextNumber(before?.json),
        ...errorObject(error),
      }),
      "error",
    ),
};

/** All events of a response are counted, from 0. */
function nextNumber(before: unknown): number {
  const number = isJsonObject(before) ? before["sequence_number"] : undefined;
  return typeof number === "number" ? number + 1 : 0;
}

function errorObject(error: GatewayError): JsonObject {
  const { message, type, param, code, details } = error;
  return { error: details ? { message, type, param, code, details } : { message, type, param, code } };
}

/** Reads `usage` in both spellings: `prompt_tokens` (chat, embeddings) and `input_tokens` (responses, audio, images). */
export function readUsage(json: JsonObject): Usage | undefined {
  return toUsage(viewOfMember(json["usage"]));
}

/** The same of a whole reply, of which nothing else is parsed. */
export function usageOf(reply: JsonView): Usage | undefined {
  return toUsage(reply.view("usage"));
}

function toUsage(usage: JsonView | undefined): Usage | undefined {
  if (!usage) return undefined;
  const inputTokens = count(usage, "prompt_tokens") ?? count(usage, "input_tokens");
  const outputTokens = count(usage, "completion_tokens") ?? count(usage, "output_tokens") ?? 0;
  const total = count(usage, "total_tokens");
  if (inputTokens === undefined && total === undefined) return undefined;
  const input = inputTokens ?? Math.max(0, total! - outputTokens);
  // Set one by one: an object spread would cost several times all of this.
  const read: Usage = { inputTokens: input, outputTokens, totalTokens: total ?? input + outputTokens };
  const inputDetails = usage.view("prompt_tokens_details") ?? usage.view("input_tokens_details");
  const cached = inputDetails && count(inputDetails, "cached_tokens");
  if (cached !== undefined) read.cachedTokens = cached;
  const outputDetails = usage.view("completion_tokens_details") ?? usage.view("output_tokens_details");
  const reasoning = outputDetails && count(outputDetails, "reasoning_tokens");
  if (reasoning !== undefined) read.reasoningTokens = reasoning;
  return read;
}

function count(view: JsonView, name: string): number | undefined {
  const value = view.get(name);
  return typeof value === "number" ? value : undefined;
}

/** `error` at the top of an event, in any of the forms in the field. */
export function readStreamError(json: JsonObject): StreamFailure | undefined {
  const { error } = json;
  if (!error) return json["choices"] === undefined ? readBareError(json) : undefined;
  if (typeof error !== "object") return typeof error === "string" ? { message: error } : {};
  const { message, code, status } = error as Record<string, unknown>;
  // Google's has its number in `code`, and a word in `status`.
  const number = typeof code === "number" ? code : status;
  return {
    ...(typeof message === "string" && { message }),
    ...(typeof code === "string" && { code }),
    ...(typeof number === "number" && { status: number }),
  };
}

/** An event that is an error as a whole: `{ object: "error", message, code }`, or `{ status_code, detail }`. */
function readBareError(json: JsonObject): StreamFailure | undefined {
  const { object, message, code, status_code: status, detail } = json;
  if (object === "error") return readStreamError({ error: { message, code } });
  if (typeof status !== "number" || detail === undefined) return undefined;
  return { ...(typeof detail === "string" && { message: detail }), status };
}

/** A whole reply of chat or completions. */
export const holdsChoices = (reply: JsonView): boolean =>
  reply.typeOf("choices") === "array" && !reply.isEmpty("choices");

export const wantsStream = (body: JsonView): boolean => body.get("stream") === true;

/** Multipart fields are text. */
export const wantsStreamField = (body: JsonView): boolean => body.get("stream") === "true";

/** Absent, or null, which means the same. */
export function isAbsent(body: JsonView, name: string): boolean {
  const type = body.typeOf(name);
  return type === "missing" || type === "null";
}

const LIMITS = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/** Most answers to one request. */
const MAX_ANSWERS = 128;

/** Numbers that decide how much is produced: a negative or absurd one would make a negative or absurd cost. */
export function checkAmounts(body: JsonView): FieldFault | undefined {
  for (const param of LIMITS) {
    const fault = checkWhole(body, param, 0);
    if (fault) return fault;
  }
  return (
    checkWhole(body, "n", 1, MAX_ANSWERS) ??
    checkType(body, "temperature", "number", "a number") ??
    checkType(body, "stream", "boolean", "true or false")
  );
}

function checkType(body: JsonView, name: string, type: JsonType, expected: string): FieldFault | undefined {
  const given = body.typeOf(name);
  if (given === type || given === "missing" || given === "null") return undefined;
  return wrongField(name, expected, body.get(name));
}

/** At the top level, where OpenAI has them, the answer's limit by these names. */
export function parametersBy(...outputLimit: readonly string[]): ParameterPlaces {
  return { temperature: [{ name: "temperature" }], outputLimit: outputLimit.map((name) => ({ name })) };
}

export function answersOf(body: JsonView): number {
  const n = body.get("n");
  return typeof n === "number" ? n : 1;
}
