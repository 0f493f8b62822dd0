import { requireContent } from "../field-fault.ts";
import { defineOperation, type Operation } from "../operation.ts";
import { openaiDialect } from "./openai-dialect.ts";

/**
 * How many tokens a chat request is: the hub of the counts that front doors in other dialects have. A chat request becomes
 * `{ input_tokens }`. It has no path of its own: OpenAI's chat has none.
 */
export const countTokens: Operation = defineOperation({
  name: "countTokens",
  method: "POST",
  paths: [],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate: (body) => requireContent(body, "messages", ["array"], "a list of messages"),
});
