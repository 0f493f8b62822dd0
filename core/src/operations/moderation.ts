import { requireType } from "../field-fault.ts";
import { defineOperation, type Operation } from "../operation.ts";
import { openaiDialect } from "./openai-dialect.ts";

/** `POST /v1/moderations`. */
export const moderation: Operation = defineOperation({
  name: "moderation",
  method: "POST",
  paths: ["/v1/moderations"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate: (body) => requireType(body, "input", ["string", "array"], "a text or a list"),
});
