import type { JsonView } from "../body/json-view.ts";
import { requireType } from "../field-fault.ts";
import { defineOperation, type Operation } from "../operation.ts";
import { choicesOf, countFinishes } from "./chat.ts";
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
  parameters: parametersBy("max_tokens"),
  answers: (body) => answersOf(body) * promptsOf(body),
  validate: (body) =>
    requireType(body, "prompt", ["string", "array"], "a text or a list") ?? checkAmounts(body),
  isAnswer: holdsChoices,
  usage: usageOf,
  stream: {
    isContent: (json) => choicesOf(json).some((choice) => (choice as { text?: unknown }).text !== ""),
    finishes: countFinishes,
    finishMember: "finish_reason",
    error: readStreamError,
    usage: readUsage,
    terminator: "[DONE]",
  },
});

/** Several prompts give an answer each; a list of numbers is one prompt in tokens. */
function promptsOf(body: JsonView): number {
  if (body.typeOf("prompt") !== "array") return 1;
  const prompts = body.get("prompt") as unknown[];
  return prompts.length > 0 && typeof prompts[0] !== "number" ? prompts.length : 1;
}
