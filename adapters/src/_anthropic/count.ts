import { drop, sortFields } from "gatewright";
import type { FieldRule, FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { toMessagesRequest } from "./chat-request.ts";
import type { ClaudeSettings } from "./options.ts";

export const NOT_COUNTED: FieldRule = drop("it is no part of the prompt");

/**
 * What of a chat request a count has no place for (https://platform.claude.com/docs/en/api/messages/count_tokens). Fates of
 * other fields are those of chat.
 */
export const countFields: FieldTable = {
  stream: NOT_COUNTED,
  stream_options: NOT_COUNTED,
  max_completion_tokens: NOT_COUNTED,
  max_tokens: NOT_COUNTED,
  temperature: NOT_COUNTED,
  top_p: NOT_COUNTED,
  top_k: NOT_COUNTED,
  stop: NOT_COUNTED,
  stop_sequences: NOT_COUNTED,
  n: NOT_COUNTED,
  user: NOT_COUNTED,
  safety_identifier: NOT_COUNTED,
  metadata: NOT_COUNTED,
  service_tier: NOT_COUNTED,
};

/** For any budget of thinking: the API wants a limit elsewhere, and none here. */
const ROOM = 64_000;

/** A chat request as one to count the tokens of. Throws `UnsupportedField`. */
export function toCountRequest(request: JsonObject, info: MappingInfo<ClaudeSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded } = sortFields(request, countFields, dropped);
  const mapped = toMessagesRequest({ ...forwarded, max_tokens: ROOM }, info);
  const { max_tokens: _, stream: __, ...body } = mapped.body;
  return { body, dropped: [...dropped, ...(mapped.dropped ?? [])] };
}

/** The hub has the same name for it. Throws where nothing was counted. */
export function fromCountReply({ input_tokens }: JsonObject): JsonObject {
  if (typeof input_tokens !== "number") throw new TypeError("the reply has no count");
  return { input_tokens };
}
