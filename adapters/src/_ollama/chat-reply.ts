import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";
import { callIdOf, isJsonObject, stringifyJson } from "gatewright";
import type { OllamaSettings } from "./options.ts";
import { NO_ANSWER, readLogprobs, toCreated, toErrorMessage, toFinishReason, toUsage } from "./reply.ts";

type Info = MappingInfo<OllamaSettings>;

/** A whole chat reply. The adapter's `errorInReply` has let it through, so that it is an answer. */
export function fromChatReply(reply: JsonObject, info: Info): JsonObject {
  const { content, thinking, tool_calls } = reply["message"] as JsonObject;
  const calls = toToolCalls(tool_calls, 0, info);
  const logprobs = readLogprobs(reply);
  const message = {
    role: "assistant",
    content: content || (calls.length > 0 ? null : ""),
    refusal: null,
    ...(thinking ? { reasoning_content: thinking } : {}),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return {
    id: toId(info),
    object: "chat.completion",
    created: toCreated(reply, info),
    model: info.requestedModel,
    choices: [
      {
        index: 0,
        message,
        logprobs: logprobs ? toLogprobs(logprobs) : null,
        finish_reason: toChatFinish(reply, calls.length, info),
      },
    ],
    usage: toUsage(reply),
  };
}

interface ChatStreamState {
  readonly id: string;
  /** Time of the first line, which all chunks carry. */
  created: number | undefined;
  /** Tool calls so far. */
  calls: number;
  /** The last line has come, or an error. */
  over: boolean;
}

/** Lines to chunks: one delta with the role, then each line's reasoning, text and calls, the finish, the usage. */
export const chatStream: StreamMapping<OllamaSettings, ChatStreamState> = {
  format: "ndjson",
  start: (info) => ({ id: toId(info), created: undefined, calls: 0, over: false }),
  event(state, line, info) {
    if (state.over) return [];
    if (line["error"]) {
      state.over = true;
      return [{ error: { message: toErrorMessage(line["error"]) } }];
    }
    const chunks: JsonObject[] = [];
    if (state.created === undefined) {
      state.created = toCreated(line, info);
      chunks.push(toChunk(state, info, [toChoice({ role: "assistant" }, null)]));
    }
    addDeltas(chunks, line, state, info);
    if (line["done"] !== true) return chunks;

    state.over = true;
    const reason = toChatFinish(line, state.calls, info);
    if (reason === undefined) return [{ error: { message: NO_ANSWER } }];
    chunks.push(toChunk(state, info, [toChoice({}, reason)]));
    chunks.push({ ...toChunk(state, info, []), usage: toUsage(line) });
    return chunks;
  },
};

function toChunk(state: ChatStreamState, info: Info, choices: readonly JsonObject[]): JsonObject {
  return {
    id: state.id,
    object: "chat.completion.chunk",
    created: state.created,
    model: info.requestedModel,
    choices,
  };
}

function toChoice(delta: JsonObject, reason: string | null): JsonObject {
  return { index: 0, delta, finish_reason: reason };
}

/** What one line brings. Its log probabilities go with the last of it, as Ollama does not say whose they are. */
function addDeltas(chunks: JsonObject[], line: JsonObject, state: ChatStreamState, info: Info): void {
  let last: JsonObject | undefined;
  const add = (delta: JsonObject) => {
    last = toChoice(delta, null);
    chunks.push(toChunk(state, info, [last]));
  };
  const message = isJsonObject(line["message"]) ? line["message"] : {};
  if (message["thinking"]) add({ reasoning_content: message["thinking"] });
  if (message["content"]) add({ content: message["content"] });
  for (const call of toToolCalls(message["tool_calls"], state.calls, info))
    add({ tool_calls: [{ index: state.calls++, ...call }] });
  const logprobs = readLogprobs(line);
  if (!logprobs) return;
  if (!last) add({ content: "" });
  last!["logprobs"] = toLogprobs(logprobs);
}

/** `first` is the number of calls that came before these in the same reply. */
function toToolCalls(calls: unknown, first: number, info: Info): JsonObject[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isJsonObject).map((call, offset) => {
    const called = isJsonObject(call["function"]) ? call["function"] : {};
    const input = called["arguments"] ?? {};
    return {
      id:
        typeof call["id"] === "string" && call["id"] !== ""
          ? call["id"]
          : callIdOf(info.requestId, first + offset),
      type: "function",
      function: {
        name: called["name"],
        arguments: typeof input === "string" ? input : stringifyJson(input),
      },
    };
  });
}

function toId(info: Info): string {
  return `chatcmpl-${info.requestId}`;
}

function toChatFinish(reply: JsonObject, calls: number, info: Info): string | undefined {
  const reason = toFinishReason(reply, info);
  return reason === "stop" && calls > 0 ? "tool_calls" : reason;
}

function toLogprobs(items: JsonObject[]): JsonObject {
  const toItem = (item: JsonObject): JsonObject => ({ ...item, bytes: item["bytes"] ?? null });
  return {
    content: items.map((item) => ({
      ...toItem(item),
      top_logprobs: Array.isArray(item["top_logprobs"])
        ? item["top_logprobs"].filter(isJsonObject).map(toItem)
        : [],
    })),
    refusal: null,
  };
}
