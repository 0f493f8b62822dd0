import { isJsonObject, parseJson, stringifyJson, translate } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo, StreamMapping } from "gatewright";
import { withoutForeignThinking } from "../_anthropic/foreign-thinking.ts";
import { amazonEventStream } from "./event-stream.ts";
import type { BedrockSettings } from "./options.ts";

type Info = MappingInfo<BedrockSettings>;

/** Fates of the fields of the Messages API: what is not listed is Claude's to understand. */
export const claudeFields: FieldTable = {
  model: translate("part of the path"),
  stream: translate("part of the path"),
};

/** The same of a request to count. */
export const countFields: FieldTable = { model: translate("part of the path") };

/** Ids and profiles name their vendor; a profile of one's own does not, and is served by Converse. */
export function isClaude(model: string): boolean {
  return model.includes("anthropic.");
}

/** Tokens are counted for models alone, not for profiles over several regions. */
export function isCountable(model: string): boolean {
  return model.startsWith("anthropic.");
}

/**
 * The client's own body for `InvokeModel`, with the version that is a header elsewhere:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
 */
export function toClaudeRequest(request: JsonObject): MappedRequest {
  const dropped = new Set<string>();
  const { model: _, stream: _stream, ...body } = withoutForeignThinking(request, dropped);
  return { body: { anthropic_version: "bedrock-2023-05-31", ...body }, dropped: [...dropped] };
}

export function fromClaudeReply(reply: JsonObject, info: Info): JsonObject {
  return { ...reply, model: info.requestedModel };
}

/** The events of the Messages API, each wrapped as base64 in a `chunk`. */
export const claudeStream: StreamMapping<BedrockSettings, undefined> = {
  format: amazonEventStream,
  start: () => undefined,
  event(_state, { chunk, exception }, info) {
    if (isJsonObject(exception)) {
      const { name: type, message } = exception;
      return [{ type: "error", error: { type, message } }];
    }
    if (!isJsonObject(chunk)) return [];
    const event = readEvent(chunk["bytes"]);
    const { message } = event;
    return isJsonObject(message)
      ? [{ ...event, message: { ...message, model: info.requestedModel } }]
      : [event];
  },
};

function readEvent(bytes: unknown): JsonObject {
  try {
    const event = parseJson(Buffer.from(String(bytes), "base64").toString("utf8"));
    if (isJsonObject(event)) return event;
  } catch {
    // Falls through: the message must not quote what the backend sent.
  }
  return {
    type: "error",
    error: { type: "api_error", message: "The backend sent an event that is not JSON" },
  };
}

/**
 * Counts what `InvokeModel` would read: https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html
 * Its body must say how much to produce, which the counter of the Messages API does not take.
 */
export function toCountRequest(request: JsonObject): MappedRequest {
  const { body, dropped } = toClaudeRequest(request);
  const counted = Buffer.from(stringifyJson({ max_tokens: 1, ...body }));
  return { body: { input: { invokeModel: { body: counted.toString("base64") } } }, dropped };
}

export function fromCountReply({ inputTokens }: JsonObject): JsonObject {
  return { input_tokens: inputTokens };
}
