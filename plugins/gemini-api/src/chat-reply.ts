import { isJsonObject, viewOf } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import {
  listOf,
  toCallPart,
  toCandidateExtras,
  toFinishReason,
  toImageParts,
  toTextParts,
  toThoughtParts,
} from "./candidate.ts";
import { asksForThoughts } from "./request-settings.ts";
import { toUsageMetadata } from "./usage.ts";

/** A whole reply of OpenAI's chat as one of `generateContent`. Throws on one that holds no answer. */
export function fromChatReply(reply: JsonObject, info: MappingInfo): JsonObject {
  const choices = listOf(reply["choices"]);
  if (choices.length === 0) throw new TypeError("the reply has no choices");
  const withThoughts = asksForThoughts(viewOf(info.request));
  const usageMetadata = toUsageMetadata(reply["usage"]);
  return {
    candidates: choices.map((choice, index) => toCandidate(choice, index, withThoughts)),
    ...(usageMetadata && { usageMetadata }),
    modelVersion: info.requestedModel,
    responseId: reply["id"] ?? info.requestId,
  };
}

function toCandidate(choice: JsonObject, position: number, withThoughts: boolean): JsonObject {
  const message = isJsonObject(choice["message"]) ? choice["message"] : {};
  const parts = [
    ...(withThoughts ? toThoughtParts(message) : []),
    ...toTextParts(message),
    ...toImageParts(message),
    ...listOf(message["tool_calls"]).map(toCallPart),
  ];
  return {
    // SDKs take a content without parts for a broken one and leave it out of the history.
    content: { role: "model", parts: parts.length > 0 ? parts : [{ text: "" }] },
    finishReason: toFinishReason(choice["finish_reason"], Boolean(message["refusal"])),
    index: choice["index"] ?? position,
    ...toCandidateExtras(choice, message, toText(message)),
  };
}

function toText({ content }: JsonObject): string {
  return typeof content === "string" ? content : "";
}
