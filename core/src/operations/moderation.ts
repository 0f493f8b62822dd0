import { defineOperation, type Operation } from "../operation.ts";
import { missing, openaiDialect, wrongType } from "./openai-dialect.ts";

/** `POST /v1/moderations`. */
export const moderation: Operation = defineOperation({
  name: "moderation",
  method: "POST",
  paths: ["/v1/moderations"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate({ input }) {
    if (input === undefined || input === null) return missing("input");
    if (typeof input !== "string" && !Array.isArray(input)) return wrongType("input", "a text or a list");
    return undefined;
  },
});
