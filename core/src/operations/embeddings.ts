import { requireContent } from "../field-fault.ts";
import { defineOperation, type Operation } from "../operation.ts";
import { openaiDialect, usageOf } from "./openai-dialect.ts";

/** `POST /v1/embeddings`. */
export const embeddings: Operation = defineOperation({
  name: "embeddings",
  method: "POST",
  paths: ["/v1/embeddings"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate: (body) => requireContent(body, "input", ["string", "array"], "a text or a list"),
  isAnswer: (reply) => reply.typeOf("data") === "array",
  usage: usageOf,
});
