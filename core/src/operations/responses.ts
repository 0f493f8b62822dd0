import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import {
  checkAmounts,
  missing,
  readUsage,
  responsesDialect,
  wantsStream,
  wrongType,
} from "./openai-dialect.ts";

const LAST_EVENTS = new Set(["response.completed", "response.incomplete", "response.failed"]);

/** `POST /v1/responses`. A stored or continued response lives with the account that made it: it is not replayed. */
export const responses: Operation = defineOperation({
  name: "responses",
  method: "POST",
  paths: ["/v1/responses"],
  dialect: responsesDialect,
  body: "json",
  reply: "json",
  replaySafe: false,
  wantsStream,
  validate(body) {
    const { input } = body;
    if (input === undefined || input === null)
      return body["prompt"] === undefined ? missing("input") : undefined;
    if (typeof input !== "string" && !Array.isArray(input))
      return wrongType("input", "a text or a list of items");
    return checkAmounts(body);
  },
  usage: readUsage,
  stream: {
    isContent: (json) => typeof json["type"] === "string" && json["type"].endsWith(".delta"),
    finishes: (json) => (LAST_EVENTS.has(json["type"] as string) ? 1 : 0),
    error: (json) =>
      json["type"] === "error"
        ? {
            message: String(json["message"]),
            ...(typeof json["code"] === "string" && { code: json["code"] }),
          }
        : undefined,
    usage: (json) => {
      const { response } = json;
      return typeof response === "object" && response !== null
        ? readUsage(response as JsonObject)
        : undefined;
    },
    terminator: null,
  },
});
