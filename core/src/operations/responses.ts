import { responsesBridge } from "../bridges/responses/bridge.ts";
import { isJsonObject } from "../json-object.ts";
import { requireType } from "../field-fault.ts";
import { defineOperation, type JsonObject, type Operation, type StreamFailure } from "../operation.ts";
import {
  checkAmounts,
  isAbsent,
  parametersBy,
  readUsage,
  responsesDialect,
  usageOf,
  wantsStream,
} from "./openai-dialect.ts";

export { responsesFields as fields } from "../bridges/responses/fields.ts";

const LAST_EVENTS = new Set(["response.completed", "response.incomplete"]);

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
  parameters: parametersBy("max_output_tokens"),
  validate(body) {
    // A stored prompt stands for the input.
    if (isAbsent(body, "input") && !isAbsent(body, "prompt")) return checkAmounts(body);
    return requireType(body, "input", ["string", "array"], "a text or a list of items") ?? checkAmounts(body);
  },
  usage: usageOf,
  stream: {
    isContent: (json) => typeof json["type"] === "string" && json["type"].endsWith(".delta"),
    finishes: (json) => (LAST_EVENTS.has(json["type"] as string) ? 1 : 0),
    error: readError,
    usage: ({ response }) => (isJsonObject(response) ? readUsage(response) : undefined),
    eventName: ({ type }) => type as string,
    modelAt: ["response", "model"],
    terminator: null,
  },
  bridge: responsesBridge,
});

/** A failure outside of the response (`error`), or of the response itself, which ends its own stream. */
function readError(json: JsonObject): StreamFailure | undefined {
  if (json["type"] === "error") return toFailure(json);
  if (json["type"] !== "response.failed") return undefined;
  const { response } = json;
  const error = isJsonObject(response) && isJsonObject(response["error"]) ? response["error"] : {};
  return { ...toFailure(error), told: true };
}

function toFailure({ message, code }: JsonObject): StreamFailure {
  return {
    ...(typeof message === "string" && { message }),
    ...(typeof code === "string" && { code }),
  };
}
