import { isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";

/** Reads one choice's message or delta. */
type ReadMessage = (message: JsonObject, info: Info) => JsonObject;
type Info = Pick<MappingInfo<unknown>, "report">;

/**
 * Brings replies into the words of the hub. Beside a mapping that sends requests as they are, it serves front doors in
 * other dialects alone: for a client of OpenAI's own API the bytes pass.
 */
export interface ReplyReading {
  fromResponse(reply: JsonObject, info: Info): JsonObject;
  stream: StreamMapping<unknown, undefined>;
}

/**
 * Reasoning under `reasoning_content`, whichever of its two names it came by, and a matched stop string under
 * `stop_reason` (SGLang: `matched_stop`). `readRest` reads what a server says beside its messages.
 */
export function createReplyReading(
  readMessage: ReadMessage = toHubMessage,
  readRest: (json: JsonObject) => JsonObject = (json) => json,
): ReplyReading {
  const read = (reply: JsonObject, member: "message" | "delta", info: Info): JsonObject => {
    const json = readRest(reply);
    const { choices } = json;
    if (!Array.isArray(choices)) return json;
    const toMessage = (message: JsonObject): JsonObject => readMessage(message, info);
    return { ...json, choices: choices.map((choice: unknown) => readChoice(choice, member, toMessage)) };
  };
  return {
    fromResponse: (reply, info) => read(reply, "message", info),
    stream: {
      format: "sse",
      start: () => undefined,
      event: (_, chunk, info) => [read(chunk, "delta", info)],
    },
  };
}

function readChoice(
  choice: unknown,
  member: "message" | "delta",
  toMessage: (message: JsonObject) => JsonObject,
): unknown {
  if (!isJsonObject(choice)) return choice;
  const { [member]: message, matched_stop, ...rest } = choice;
  return {
    ...rest,
    ...(message !== undefined && { [member]: isJsonObject(message) ? toMessage(message) : message }),
    ...(typeof matched_stop === "string" && { stop_reason: matched_stop }),
  };
}

/** `reasoning` as `reasoning_content`; some servers say it under both. */
export function toHubMessage(message: JsonObject): JsonObject {
  const { reasoning, ...rest } = message;
  if (typeof reasoning !== "string") return message;
  return { ...rest, reasoning_content: rest["reasoning_content"] || reasoning };
}
