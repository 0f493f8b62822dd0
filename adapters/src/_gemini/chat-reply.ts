import type { JsonObject, MappingInfo } from "gatewright";
import { toDeltas } from "./deltas.ts";
import type { AnswerState } from "./deltas.ts";
import { candidatesOf, idOf, indexOf, isBlocked, toFinishReason, toLogprobs, toUsage } from "./reply.ts";

/** A whole chat reply. The adapter's `errorInReply` has let it through, so that it is an answer. */
export function fromChatReply(reply: JsonObject, info: MappingInfo<unknown>): JsonObject {
  const candidates = candidatesOf(reply);
  const blocked = candidates.length === 0 && isBlocked(reply);
  return {
    id: idOf(reply, info),
    object: "chat.completion",
    created: info.nowSeconds,
    model: info.requestedModel,
    choices: blocked
      ? [{ index: 0, message: toMessage([]), logprobs: null, finish_reason: "content_filter" }]
      : candidates.map((candidate) => toChoice(candidate, info)),
    usage: toUsage(reply["usageMetadata"]),
  };
}

function toChoice(candidate: JsonObject, info: MappingInfo<unknown>): JsonObject {
  const index = indexOf(candidate);
  const answer: AnswerState = { text: "", calls: 0 };
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

/** The deltas put together: texts and lists grow, of signatures the last one counts. */
function toMessage(deltas: readonly JsonObject[]): JsonObject {
  const joined: JsonObject = {};
  for (const delta of deltas) {
    for (const [name, value] of Object.entries(delta)) {
      const before = joined[name];
      if (typeof before === "string") joined[name] = before + String(value);
      else if (Array.isArray(before)) joined[name] = [...(before as unknown[]), ...(value as unknown[])];
      else joined[name] = value;
    }
  }
  const { content, tool_calls: calls, ...rest } = joined;
  return {
    role: "assistant",
    content: content ?? (calls === undefined ? "" : null),
    refusal: null,
    ...rest,
    ...(Array.isArray(calls) && { tool_calls: calls.map(withoutIndex) }),
  };
}
