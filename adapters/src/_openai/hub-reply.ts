import { isJsonObject } from "gatewright";
import type { JsonObject, StreamMapping } from "gatewright";

/** Reads one choice's message or delta. */
type ReadMessage = (message: JsonObject) => JsonObject;

/**
 * Brings replies into the words of the hub. Beside a mapping that sends requests as they are, it serves front doors in
 * other dialects alone: for a client of OpenAI's own API the bytes pass.
 */
export interface ReplyReading {
  fromResponse(reply: JsonObject): JsonObject;
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
  const read = (reply: JsonObject, member: "message" | "delta"): JsonObject => {
    const json = readRest(reply);
    const { choices } = json;
    if (!Array.isArray(choices)) return json;
    return { ...json, choices: choices.map((choice: unknown) => readChoice(choice, member, readMessage)) };
  };
  return {
    fromResponse: (reply) => read(reply, "message"),
    stream: {
      format: "sse",
      start: () => undefined,
      event: (_, chunk) => [read(chunk, "delta")],
    },
  };
}

function readChoice(choice: unknown, member: "message" | "delta", readMessage: ReadMessage): unknown {
  if (!isJsonObject(choice)) return choice;
  const { [member]: message, matched_stop, ...rest } = choice;
  return {
    ...rest,
    ...(message !== undefined && { [member]: isJsonObject(message) ? readMessage(message) : message }),
    ...(typeof matched_stop === "string" && { stop_reason: matched_stop }),
  };
}

/** `reasoning` as `reasoning_content`; some servers say it under both. */
export function toHubMessage(message: JsonObject): JsonObject {
  const { reasoning, ...rest } = message;
  if (typeof reasoning !== "string") return message;
  return { ...rest, reasoning_content: rest["reasoning_content"] || reasoning };
}
