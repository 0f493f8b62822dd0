import { defineOperation, type Operation } from "../operation.ts";
import { choicesOf } from "./chat.ts";
import {
  answersOf,
  checkAmounts,
  missing,
  openaiDialect,
  readStreamError,
  readUsage,
  wantsStream,
  wrongType,
} from "./openai-dialect.ts";

/** `POST /v1/completions`. */
export const completions: Operation = defineOperation({
  name: "completions",
  method: "POST",
  paths: ["/v1/completions"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  wantsStream,
  answers: (body) => answersOf(body) * (isPromptList(body["prompt"]) ? body["prompt"].length : 1),
  validate(body) {
    const { prompt } = body;
    if (prompt === undefined || prompt === null) return missing("prompt");
    if (typeof prompt !== "string" && !Array.isArray(prompt)) return wrongType("prompt", "a text or a list");
    return checkAmounts(body);
  },
  usage: readUsage,
  stream: {
    isContent: (json) => choicesOf(json).some((choice) => (choice as { text?: unknown }).text !== ""),
    finishes: (json) => choicesOf(json).filter((choice) => typeof choice.finish_reason === "string").length,
    error: readStreamError,
    usage: readUsage,
    terminator: "[DONE]",
  },
});

/** Several prompts give an answer each; a list of numbers is one prompt in tokens. */
function isPromptList(prompt: unknown): prompt is unknown[] {
  return Array.isArray(prompt) && prompt.length > 0 && typeof prompt[0] !== "number";
}
