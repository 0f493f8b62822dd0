import type { JsonObject, MappedRequest, MappingInfo, StreamMapping } from "gatewright";
import { fromMessagesReply } from "../_anthropic/chat-reply.ts";
import { toCloudMessagesRequest } from "../_anthropic/chat-request.ts";
import { messagesStream } from "../_anthropic/chat-stream.ts";
import { fromChatReply as fromGeminiReply } from "../_gemini/chat-reply.ts";
import { toChatRequest as toGeminiRequest } from "../_gemini/chat-request.ts";
import { chatStream as geminiStream } from "../_gemini/chat-stream.ts";
import { generateMethod } from "../_gemini/model-path.ts";
import { isClaude, methodPath } from "./model-path.ts";
import type { VertexSettings } from "./options.ts";

type Info = MappingInfo<VertexSettings>;

/** The method is `generateContent` of Google's models, `rawPredict` of those of others. */
export function chatPath({ model, options, stream }: Pick<Info, "model" | "options" | "stream">): string {
  return methodPath(model, options, isClaude(model, options) ? rawMethod(stream) : generateMethod(stream));
}

/** https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude */
export function rawMethod(stream: boolean): string {
  return stream ? "streamRawPredict" : "rawPredict";
}

export function toChatRequest(request: JsonObject, info: Info): MappedRequest {
  return isClaude(info.model, info.options)
    ? toCloudMessagesRequest(request, info, info.options.anthropicVersion)
    : toGeminiRequest(request, info);
}

export function fromChatReply(reply: JsonObject, info: Info): JsonObject {
  return isClaude(info.model, info.options) ? fromMessagesReply(reply, info) : fromGeminiReply(reply, info);
}

/** State of one of the two readers. */
type StreamState =
  | { claude: ReturnType<typeof messagesStream.start> }
  | { gemini: ReturnType<typeof geminiStream.start> };

export const chatStream: StreamMapping<VertexSettings, StreamState> = {
  format: "sse",
  start: (info) =>
    isClaude(info.model, info.options)
      ? { claude: messagesStream.start(info) }
      : { gemini: geminiStream.start(info) },
  event: (state, json, info, type) =>
    "claude" in state
      ? messagesStream.event(state.claude, json, info, type)
      : geminiStream.event(state.gemini, json, info, type),
  end: (state, info) =>
    ("claude" in state ? messagesStream.end?.(state.claude, info) : geminiStream.end?.(state.gemini, info)) ??
    [],
};
