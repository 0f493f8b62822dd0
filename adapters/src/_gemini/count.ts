import { translate } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { toChatRequest } from "./chat-request.ts";
import { resourceName } from "./model-path.ts";
import type { GeminiSettings } from "./options.ts";

/** Fates of the fields of a count: those of chat. */
export const countFields: FieldTable = {
  messages: translate("`generateContentRequest`, with all else that chat carries"),
};

/**
 * A chat request as one to count the tokens of, all of it: instructions and tools count in a whole request alone
 * (https://ai.google.dev/api/tokens).
 */
export function toCountRequest(request: JsonObject, info: MappingInfo<GeminiSettings>): MappedRequest {
  const { body, dropped } = toChatRequest(request, info);
  return { body: { generateContentRequest: { model: resourceName(info.model), ...body } }, dropped };
}

export function fromCountReply({ totalTokens }: JsonObject): JsonObject {
  return { input_tokens: totalTokens };
}
