import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/** An error in a body of status 200. */
export interface FoundError {
  status: number;
  message?: string;
  code?: string;
}

/** Statuses that a body may name; whatever else it names is a failure of the server (GPUStack's own rule). */
const NAMED_STATUSES = new Set([400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504]);

export function toStatus(value: unknown): number {
  return NAMED_STATUSES.has(value as number) ? (value as number) : 500;
}

/** One of these is in every answer of an operation; a reply of the Responses API may tell beside it why it failed. */
const ANSWERS = ["choices", "data", "results", "output", "content"];

/** What is an answer whatever became of it, and says so in `error`. */
const OBJECTS = new Set<unknown>(["response", "file", "batch"]);

/** The members that an error at the top of a body has. */
export const ERROR_MEMBERS = ["error", "message"];

/**
 * `{ error: { code, message } }`, at the top in place of an answer or in a choice that it ended, or
 * `{ object: "error", code, message }`.
 */
export function errorInBody(body: JsonObject): FoundError | undefined {
  if (body["object"] === "error") return toFoundError(body);
  const choices = Array.isArray(body["choices"]) ? (body["choices"] as unknown[]) : [];
  const isAnswer = OBJECTS.has(body["object"]) || ANSWERS.some((name) => Array.isArray(body[name]));
  const error = isAnswer
    ? choices.filter(isJsonObject).find((choice) => choice["error"])?.["error"]
    : body["error"];
  if (error) return toFoundError(error);
  return choices.some((choice) => isJsonObject(choice) && choice["finish_reason"] === "error")
    ? { status: 502, message: "The backend gave up on its answer" }
    : undefined;
}

/** The error object of a body, if it has one. */
export function errorObjectIn(body: unknown): JsonObject | undefined {
  const error = isJsonObject(body) ? body["error"] : undefined;
  return isJsonObject(error) ? error : undefined;
}

function toFoundError(error: unknown): FoundError {
  if (typeof error === "string") return { status: 500, message: error };
  if (!isJsonObject(error)) return { status: 500 };
  const { code, message, status } = error;
  return {
    status: toStatus(typeof code === "number" ? code : status),
    ...(typeof message === "string" && { message }),
    ...(typeof code === "string" && { code }),
  };
}
