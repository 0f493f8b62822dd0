import { callIdOf, compact, isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";
import { toAnnotations } from "./citations.ts";
import type { CohereSettings } from "./options.ts";
import { toFailure, toFinishReason, toUsage } from "./reply.ts";

type Info = MappingInfo<CohereSettings>;

/** A whole reply. The adapter's `errorInReply` has let it through, so that it is an answer. */
export function fromChatReply(reply: JsonObject, info: Info): JsonObject {
  const { content, tool_plan, tool_calls, citations } = reply["message"] as JsonObject;
  const parts = toList(content);
  const texts = parts.map(({ text }) => toText(text));
  const text = texts.join("");
  const thought = parts.map(({ thinking }) => toText(thinking)).join("") + toText(tool_plan);
  const calls = toList(tool_calls).map((item, index) => {
    const call = toToolCall(item, index, info);
    call.function.arguments ||= "{}";
    return call;
  });
  const cited = toList(citations);
  const annotations = cited.flatMap((citation) => toAnnotations(citation, offsetsOf(texts)));
  const logprobs = toLogprobs(toList(reply["logprobs"]));
  return compact({
    ...toHead(reply, info),
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text || (calls.length > 0 ? null : ""),
          refusal: null,
          ...(thought && { reasoning_content: thought }),
          ...(calls.length > 0 && { tool_calls: calls }),
          ...(annotations.length > 0 && { annotations }),
          ...(cited.length > 0 && { citations: cited }),
        },
        logprobs: logprobs ?? null,
        finish_reason: toFinishReason(reply["finish_reason"], info),
      },
    ],
    usage: toUsage(reply["usage"]),
  });
}

interface ChatStreamState {
  /** What all chunks carry. */
  head: JsonObject | undefined;
  /** Tool calls so far; pieces of arguments belong to the last. */
  calls: number;
  /** The open call has had no arguments yet. */
  bare: boolean;
  /** Length of the text so far, and where each content part begins in it. */
  length: number;
  offsets: Map<unknown, number>;
  over: boolean;
}

/** Events to chunks. Their kinds: https://docs.cohere.com/v2/docs/streaming */
export const chatStream: StreamMapping<CohereSettings, ChatStreamState> = {
  format: "sse",
  start: () => ({ head: undefined, calls: 0, bare: false, length: 0, offsets: new Map(), over: false }),
  event(state, event, info) {
    if (state.over) return [];
    const chunks: JsonObject[] = [];
    const head = (state.head ??= { ...toHead(event, info), object: "chat.completion.chunk" });
    const push = (delta: JsonObject, rest: JsonObject = {}) =>
      chunks.push({ ...head, choices: [{ index: 0, delta, finish_reason: null, ...rest }] });

    if (event["type"] === "message-start") {
      push({ role: "assistant" });
      return chunks;
    }
    const delta = isJsonObject(event["delta"]) ? event["delta"] : {};
    if (event["type"] !== "message-end") {
      const said = toDelta(event, isJsonObject(delta["message"]) ? delta["message"] : {}, state, info);
      const logprobs = toLogprobs(isJsonObject(event["logprobs"]) ? [event["logprobs"]] : []);
      if (said || logprobs) push(said ?? { content: "" }, logprobs ? { logprobs } : {});
      return chunks;
    }
    state.over = true;
    const failure = toFailure(delta["finish_reason"], delta["error"]);
    if (failure) return [{ error: failure }];
    push({}, { finish_reason: toFinishReason(delta["finish_reason"], info) });
    const usage = toUsage(delta["usage"]);
    if (usage) chunks.push({ ...head, choices: [], usage });
    return chunks;
  },
};

/** What one event adds to the message; undefined when it adds nothing. */
function toDelta(
  event: JsonObject,
  { content, tool_plan, tool_calls, citations }: JsonObject,
  state: ChatStreamState,
  info: Info,
): JsonObject | undefined {
  switch (event["type"]) {
    case "content-start":
    case "content-delta": {
      if (event["type"] === "content-start") state.offsets.set(event["index"], state.length);
      if (!isJsonObject(content)) return undefined;
      const text = toText(content["text"]);
      const thought = toText(content["thinking"]);
      state.length += text.length;
      if (!text && !thought) return undefined;
      return { ...(thought && { reasoning_content: thought }), ...(text && { content: text }) };
    }
    case "tool-plan-delta":
      return toText(tool_plan) ? { reasoning_content: tool_plan } : undefined;
    case "tool-call-start": {
      const index = state.calls++;
      const call = toToolCall(isJsonObject(tool_calls) ? tool_calls : {}, index, info);
      state.bare = call.function.arguments === "";
      return { tool_calls: [{ index, ...call }] };
    }
    case "tool-call-delta": {
      const called = isJsonObject(tool_calls) ? tool_calls["function"] : undefined;
      const piece = isJsonObject(called) ? toText(called["arguments"]) : "";
      return toArguments(piece, state);
    }
    case "tool-call-end":
      return toArguments(state.bare ? "{}" : "", state);
    case "citation-start": {
      if (!isJsonObject(citations)) return undefined;
      const annotations = toAnnotations(citations, (index) => state.offsets.get(index) ?? 0);
      return { ...(annotations.length > 0 && { annotations }), citations: [citations] };
    }
    default:
      return undefined;
  }
}

/** A piece of the open call's arguments. */
function toArguments(piece: string, state: ChatStreamState): JsonObject | undefined {
  if (piece === "" || state.calls === 0) return undefined;
  state.bare = false;
  return { tool_calls: [{ index: state.calls - 1, function: { arguments: piece } }] };
}

function toHead(reply: JsonObject, info: Info): JsonObject {
  const { id } = reply;
  return {
    id: typeof id === "string" && id !== "" ? id : `chatcmpl-${info.requestId}`,
    created: info.nowSeconds,
    model: info.requestedModel,
  };
}

interface ToolCall {
  id: string;
  type: "function";
  function: { name: unknown; arguments: string };
}

function toToolCall(call: JsonObject, index: number, info: Info): ToolCall {
  const called = isJsonObject(call["function"]) ? call["function"] : {};
  return {
    id: toText(call["id"]) || callIdOf(info.requestId, index),
    type: "function",
    function: { name: called["name"], arguments: toText(called["arguments"]) },
  };
}

/** Where each content part begins in the whole text. */
function offsetsOf(texts: readonly string[]): (index: unknown) => number {
  return (index) => (typeof index === "number" ? texts.slice(0, index).join("").length : 0);
}

/**
 * Cohere tells the probabilities of a piece of text, which may be of several tokens: together they are as likely as the
 * sum of the logarithms says.
 */
function toLogprobs(items: readonly JsonObject[]): JsonObject | undefined {
  if (items.length === 0) return undefined;
  return {
    content: items.map(({ text, logprobs }) => ({
      token: toText(text),
      logprob: Array.isArray(logprobs) ? logprobs.reduce((sum: number, one) => sum + Number(one), 0) : 0,
      bytes: [...Buffer.from(toText(text))],
      top_logprobs: [],
    })),
    refusal: null,
  };
}

function toList(items: unknown): JsonObject[] {
  return Array.isArray(items) ? items.filter(isJsonObject) : [];
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
