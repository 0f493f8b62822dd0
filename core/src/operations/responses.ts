import { defineOperation, type JsonObject, type Operation } from "../operation.ts";
import {
  checkAmounts,
  isAbsent,
  readUsage,
  requireType,
  responsesDialect,
  usageOf,
  wantsStream,
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
    // A stored prompt stands for the input.
    if (isAbsent(body, "input") && !isAbsent(body, "prompt")) return checkAmounts(body);
    return requireType(body, "input", ["string", "array"], "a text or a list of items") ?? checkAmounts(body);
  },
  usage: usageOf,
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
    modelAt: ["response", "model"],
    terminator: null,
  },
});
