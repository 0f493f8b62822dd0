import { isCutShort, isJsonObject, readHubCalls, readHubMessage, reportBeside, viewOf } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import {
  addSealed,
  listOf,
  reportUncarried,
  toCallParts,
  toCandidateExtras,
  toFinishReason,
  toImageParts,
  toTextParts,
  toWholeThoughtParts,
} from "./candidate.ts";
import { asksForThoughts } from "./request-settings.ts";
import { toUsageMetadata } from "./usage.ts";

/** A whole reply of OpenAI's chat as one of `generateContent`. Throws on one that holds no answer. */
export function fromChatReply(reply: JsonObject, info: MappingInfo): JsonObject {
  const choices = listOf(reply["choices"]);
  if (choices.length === 0) throw new TypeError("the reply has no choices");
  reportBeside(reply, info);
  const withThoughts = asksForThoughts(viewOf(info.request));
  const usageMetadata = toUsageMetadata(reply["usage"]);
  return {
    candidates: choices.map((choice, position) => toCandidate(choice, position, withThoughts, info)),
    ...(usageMetadata && { usageMetadata }),
    modelVersion: info.requestedModel,
    responseId: reply["id"] || info.requestId,
  };
}

function toCandidate(
  choice: JsonObject,
  position: number,
  withThoughts: boolean,
  info: MappingInfo,
): JsonObject {
  const { message, finish_reason: reason, index = position } = choice;
  if (!isJsonObject(message)) throw new TypeError("the reply has no message");
  const said = readHubMessage(message, info);
  reportUncarried(said, info);
  const parts = [
    ...(withThoughts ? toWholeThoughtParts(said) : []),
    ...toTextParts(said),
    ...toImageParts(said, info),
    ...toCallParts(readHubCalls(said.calls), { cut: isCutShort(reason), answer: position }, info),
  ];
  addSealed(parts, said.thinkingBlocks);
  return {
    // SDKs take a content without parts for a broken one and leave it out of the history.
    content: { role: "model", parts: parts.length > 0 ? parts : [{ text: "" }] },
    finishReason: toFinishReason(reason, said.refusal !== ""),
    index,
    ...toCandidateExtras(choice, said, said.text),
  };
}
