import type { JsonObject, MappingInfo } from "gatewright";
import { startAnswer, toDeltas } from "./deltas.ts";
import { candidatesOf, idOf, indexOf, isBlocked, toFinishReason, toLogprobs, toUsage } from "./reply.ts";

/** A whole chat reply. The adapter's `errorInReply` has let it through, so that it is an answer. */
export function fromChatReply(reply: JsonObject, info: MappingInfo<unknown>): JsonObject {
  const id = idOf(reply, info);
  const candidates = candidatesOf(reply);
  const blocked = candidates.length === 0 && isBlocked(reply);
  return {
    id,
    object: "chat.completion",
    created: info.nowSeconds,
    model: info.requestedModel,
    choices: blocked
      ? [{ index: 0, message: toMessage([]), logprobs: null, finish_reason: "content_filter" }]
      : candidates.map((candidate) => toChoice(candidate, id, info)),
    usage: toUsage(reply["usageMetadata"]),
  };
}

function toChoice(candidate: JsonObject, id: string, info: MappingInfo<unknown>): JsonObject {
  const index = indexOf(candidate);
  const answer = startAnswer(id);
  const deltas = toDeltas(candidate, index, answer, info);
  return {
    index,
    message: toMessage(deltas),
    logprobs: toLogprobs(candidate) ?? null,
    finish_reason: toFinishReason(candidate, answer.calls, info) ?? "stop",
  };
}

/** Places of calls are for streams. */
function withoutIndex(indexed: JsonObject): JsonObject {
  const { index: _, ...call } = indexed;
  return call;
}

/** What was said in it, nobody tells. Each piece is base64 of its own. */
function joinAudio(before: JsonObject | undefined, piece: JsonObject): JsonObject {
  if (!before) return { ...piece, transcript: "" };
  const pieces = [before, piece].map(({ data }) => Buffer.from(String(data), "base64"));
  return { ...before, data: Buffer.concat(pieces).toString("base64") };
}

/** The deltas put together: texts, lists and audio grow, of signatures the last one counts. */
function toMessage(deltas: readonly JsonObject[]): JsonObject {
  const joined: JsonObject = {};
  for (const delta of deltas) {
    for (const [name, value] of Object.entries(delta)) {
      const before = joined[name];
      if (typeof before === "string") joined[name] = before + String(value);
      else if (Array.isArray(before)) joined[name] = [...(before as unknown[]), ...(value as unknown[])];
      else if (name === "audio")
        joined[name] = joinAudio(before as JsonObject | undefined, value as JsonObject);
      else joined[name] = value;
    }
  }
  const { content, tool_calls: calls, ...rest } = joined;
  return {
    role: "assistant",
    content: content ?? (calls === undefined && rest["audio"] === undefined ? "" : null),
    refusal: null,
    ...rest,
    ...(Array.isArray(calls) && { tool_calls: calls.map(withoutIndex) }),
  };
}
