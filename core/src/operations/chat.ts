import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import { createChunkText } from "./chunk-text.ts";
import {
  answersOf,
  checkAmounts,
  openaiDialect,
  readStreamError,
  readUsage,
  requireContent,
  usageOf,
  wantsStream,
} from "./openai-dialect.ts";

interface Choice {
  delta?: JsonObject | null;
  finish_reason?: unknown;
}

/** `POST /v1/chat/completions`. */
export const chat: Operation = defineOperation({
  name: "chat",
  method: "POST",
  paths: ["/v1/chat/completions"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  wantsStream,
  answers: answersOf,
  validate: (body) => requireContent(body, "messages", ["array"], "a list of messages") ?? checkAmounts(body),
  usage: usageOf,
  stream: {
    isContent: (json) => choicesOf(json).some(hasContent),
    finishes: countFinishes,
    finishMember: "finish_reason",
    error: readStreamError,
    usage: readUsage,
    createText: createChunkText,
    terminator: "[DONE]",
  },
});

function countFinishes(json: JsonObject): number {
  let finishes = 0;
  // Some servers have an empty text there until the end.
  for (const { finish_reason: reason } of choicesOf(json))
    if (typeof reason === "string" && reason !== "") finishes++;
  return finishes;
}

export function choicesOf(json: JsonObject): Choice[] {
  const { choices } = json;
  return Array.isArray(choices) ? (choices as Choice[]) : [];
}

/** Anything in a delta but the role and empty text: text, reasoning, refusals, calls, audio. */
function hasContent({ delta }: Choice): boolean {
  if (!delta) return false;
  for (const name in delta) {
    if (name === "role") continue;
    const value = delta[name];
    if (
      value !== null &&
      value !== "" &&
      value !== undefined &&
      !(Array.isArray(value) && value.length === 0)
    )
      return true;
  }
  return false;
}
