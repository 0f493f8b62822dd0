import { defineOperation, type Operation } from "../operation.ts";
import { missing, openaiDialect, readUsage, wrongType } from "./openai-dialect.ts";

/** `POST /v1/embeddings`. */
export const embeddings: Operation = defineOperation({
  name: "embeddings",
  method: "POST",
  paths: ["/v1/embeddings"],
  dialect: openaiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  validate({ input }) {
    if (input === undefined || input === null) return missing("input");
    if (typeof input !== "string" && !Array.isArray(input)) return wrongType("input", "a text or a list");
    return undefined;
  },
  usage: readUsage,
});
