import { requireContent } from "../field-fault.ts";
import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import { finishOf } from "../bridges/hub-message.ts";
import { createChunkText } from "./chunk-text.ts";
import {
  answersOf,
  checkAmounts,
  holdsChoices,
  openaiDialect,
  parametersBy,
  readStreamError,
  readUsage,
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
  parameters: parametersBy("max_tokens", "max_completion_tokens"),
  answers: answersOf,
  validate: (body) => requireContent(body, "messages", ["array"], "a list of messages") ?? checkAmounts(body),
  isAnswer: holdsChoices,
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

export function countFinishes(json: JsonObject): number {
  let finishes = 0;
  for (const choice of choicesOf(json)) if (finishOf(choice) !== undefined) finishes++;
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
