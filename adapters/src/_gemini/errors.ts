import { isJsonObject } from "gatewright";
import type { JsonObject, OperationName } from "gatewright";
import { candidatesOf, failureOf, hasEnded, isBlocked } from "./reply.ts";

interface ReadError {
  message?: string;
  code?: string;
  status?: number;
}

/**
 * Reads `{ error: { code, message, status, details } }`, which comes in a list of one where `alt=sse` was missing:
 * https://ai.google.dev/gemini-api/docs/troubleshooting and https://cloud.google.com/apis/design/errors.
 */
export function readError(body: unknown): ReadError {
  const error = errorOf(body);
  if (!error) return {};
  const { message } = error;
  const code = codeOf(error);
  return {
    ...(typeof message === "string" && message !== "" && { message }),
    ...(code !== undefined && { code }),
    // A key that is none gets a 400, as if the client were at fault.
    ...(hasReason(error, "API_KEY_INVALID") && { status: 401 }),
  };
}

/** The same of an error that has no HTTP status but its own number: in an event, or in a body of status 200. */
export function readFailure(body: unknown): ReadError {
  const status = errorOf(body)?.["code"];
  return { ...(typeof status === "number" && { status }), ...readError(body) };
}

/** `retryDelay` of a `google.rpc.RetryInfo`, e.g. `34.07s`, in milliseconds. */
export function readRetryDelay(_headers: Record<string, string>, body: unknown): number | undefined {
  const detail = detailsOf(errorOf(body)).find(({ retryDelay }) => typeof retryDelay === "string");
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(String(detail?.["retryDelay"]))?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}

/** A 2xx body that is not an answer. The vendor's own dialect passes as it is, errors apart. */
export function errorInReply(
  body: JsonObject,
  operation: OperationName,
): { status: number; message?: string; code?: string } | undefined {
  if (body["error"]) return { status: 502, ...readFailure(body) };
  if (operation === "chat") return noAnswerIn(body);
  if (operation === "embeddings") return hasVectors(body) ? undefined : NO_ANSWER;
  if (operation === "countTokens") return typeof body["totalTokens"] === "number" ? undefined : NO_ANSWER;
  return undefined;
}

const NO_ANSWER = { status: 502, message: "The backend's reply holds no answer" };

function noAnswerIn(body: JsonObject): { status: number; message: string } | undefined {
  const candidates = candidatesOf(body);
  if (candidates.length === 0) return isBlocked(body) ? undefined : NO_ANSWER;
  for (const candidate of candidates) {
    const message = failureOf(candidate);
    if (message !== undefined) return { status: 502, message };
    if (!hasEnded(candidate)) return NO_ANSWER;
  }
  return undefined;
}

/** Of the shapes of `batchEmbedContents`, `embedContent` and `predict`. */
function hasVectors({ embeddings, embedding, predictions }: JsonObject): boolean {
  if (Array.isArray(embeddings)) return embeddings.every(isVector);
  if (Array.isArray(predictions))
    return predictions.every((one: unknown) => isJsonObject(one) && isVector(one["embeddings"]));
  return isVector(embedding);
}

function isVector(value: unknown): boolean {
  return isJsonObject(value) && Array.isArray(value["values"]);
}

function errorOf(body: unknown): JsonObject | undefined {
  const root: unknown = Array.isArray(body) ? body[0] : body;
  const error = isJsonObject(root) ? root["error"] : undefined;
  return isJsonObject(error) ? error : undefined;
}

function detailsOf(error: JsonObject | undefined): JsonObject[] {
  const details = error?.["details"];
  return Array.isArray(details) ? details.filter(isJsonObject) : [];
}

function hasReason(error: JsonObject, reason: string): boolean {
  return detailsOf(error).some((detail) => detail["reason"] === reason);
}

/** Codes of the hub where Google's message or details say more than the status. */
function codeOf(error: JsonObject): string | undefined {
  const { message, status } = error;
  if (status === "INVALID_ARGUMENT" && /token count.*exceeds the maximum/i.test(String(message)))
    return "context_length_exceeded";
  return status === "RESOURCE_EXHAUSTED" && isDailyQuota(error) ? "insufficient_quota" : undefined;
}

/** A quota of a day, which no waiting of a request brings back. */
function isDailyQuota(error: JsonObject): boolean {
  return detailsOf(error).some(
    ({ violations }) =>
      Array.isArray(violations) &&
      violations.some((one: unknown) => isJsonObject(one) && /PerDay/.test(String(one["quotaId"]))),
  );
}
