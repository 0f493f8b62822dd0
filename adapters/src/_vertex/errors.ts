import { isJsonObject } from "gatewright";
import type { JsonObject, OperationName } from "gatewright";
import * as claude from "../_anthropic/errors.ts";
import * as gemini from "../_gemini/errors.ts";

/** A 2xx body that is not an answer, of either publisher. */
export function errorInReply(
  body: JsonObject,
  operation: OperationName,
): { status: number; message?: string; code?: string } | undefined {
  const isClaudes = operation === "messages" || operation === "messagesCountTokens";
  return isClaudes || (operation === "chat" && (body["type"] === "message" || isClaudeError(body)))
    ? claude.errorInReply(body, operation)
    : gemini.errorInReply(body, operation);
}

/** Errors of Google's own in front of Claude have Google's shape. */
export function fromError(
  status: number,
  body: unknown,
): { status?: number; message?: string; code?: string; type?: string; param?: string } {
  return isClaudeError(body) ? claude.fromError(status, body) : gemini.readError(body);
}

function isClaudeError(body: unknown): boolean {
  return isJsonObject(body) && body["type"] === "error";
}
