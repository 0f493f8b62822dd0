import { isJsonObject, stringifyJson } from "gatewright";
import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";
import { isThinking } from "./conversation.ts";
import { toErrorEvent } from "./errors.ts";
import type { ClaudeSettings } from "./options.ts";
import { reportBlock, toAnnotations, toCallId, toFinish, toRefusal, toReplyId, toUsage } from "./reply.ts";
import { answeringTool } from "./structured-output.ts";

type Info = MappingInfo<ClaudeSettings>;

interface StreamState {
  /** Members that all chunks carry; absent until the message has started. */
  head: JsonObject | undefined;
  /** The block that is open, as far as it came. */
  block: OpenBlock | undefined;
  /** Tool calls so far. */
  calls: number;
  /** Characters of text so far. */
  textLength: number;
  answering: unknown;
  answered: boolean;
  /** Counts so far: each event says the total anew. */
  usage: JsonObject;
  /** Present once the model said why it stopped. */
  ended: JsonObject | undefined;
  /** The last has been said, or an error. */
  over: boolean;
}

interface OpenBlock {
  type: unknown;
  /** Its text starts here in the answer. */
  textStart: number;
  thinking: string;
  signature: unknown;
  citations: unknown[];
  /** Index of the call, of a `tool_use` block. */
  call: number;
  /** Some of the call's input has come. */
  hasInput: boolean;
}

type Delta = JsonObject;

/** Events of a message to chunks (https://platform.claude.com/docs/en/build-with-claude/streaming). */
export const messagesStream: StreamMapping<ClaudeSettings, StreamState> = {
  format: "sse",
  start: (info) => ({
    head: undefined,
    block: undefined,
    calls: 0,
    textLength: 0,
    answering: answeringTool(info),
    answered: false,
    usage: {},
    ended: undefined,
    over: false,
  }),
  event(state, event, info) {
    if (state.over) return [];
    switch (event["type"]) {
      case "message_start":
        return startMessage(state, event["message"], info);
      case "content_block_start":
        return toChunks(state, startBlock(state, event["content_block"], info), info);
      case "content_block_delta":
        return toChunks(state, continueBlock(state, event["delta"]), info);
      case "content_block_stop":
        return toChunks(state, endBlock(state, info), info);
      case "message_delta":
        addUsage(state, event["usage"]);
        if (isJsonObject(event["delta"]) && typeof event["delta"]["stop_reason"] === "string")
          state.ended = event["delta"];
        return [];
      case "message_stop":
        return endMessage(state, info);
      case "error":
        state.over = true;
        return [toErrorEvent(event)];
      // `ping`, and whatever the vendor adds.
      default:
        return [];
    }
  },
  // The model said why it stopped, which makes the answer whole, even if the last event is missing.
  end: endMessage,
};

function startMessage(state: StreamState, message: unknown, info: Info): JsonObject[] {
  const given = isJsonObject(message) ? message : {};
  addUsage(state, given["usage"]);
  if (state.head) return [];
  state.head = {
    id: toReplyId(given, info),
    object: "chat.completion.chunk",
    created: info.nowSeconds,
    model: info.requestedModel,
  };
  return [toChunk(state.head, { role: "assistant" })];
}

function addUsage(state: StreamState, usage: unknown): void {
  if (!isJsonObject(usage)) return;
  for (const [name, value] of Object.entries(usage)) {
    // Null says that nothing new is known.
    if (value !== null) state.usage[name] = value;
  }
}

function toChunks(state: StreamState, deltas: readonly Delta[], info: Info): JsonObject[] {
  if (deltas.length === 0) return [];
  if (state.head && deltas.length === 1) return [toChunk(state.head, deltas[0]!)];
  const opening = startMessage(state, undefined, info);
  return [...opening, ...deltas.map((delta) => toChunk(state.head!, delta))];
}

/** Field by field: there is one for each word, and spreads would cost more than the rest of it. */
function toChunk(head: JsonObject, delta: Delta, finish?: JsonObject): JsonObject {
  const choice = finish ? { index: 0, delta, ...finish } : { index: 0, delta, finish_reason: null };
  return {
    id: head["id"],
    object: head["object"],
    created: head["created"],
    model: head["model"],
    choices: [choice],
  };
}

function startBlock(state: StreamState, content: unknown, info: Info): Delta[] {
  if (!isJsonObject(content)) return [];
  const { type, name, input, signature } = content;
  const block: OpenBlock = {
    type,
    textStart: state.textLength,
    thinking: "",
    signature,
    citations: [],
    call: -1,
    hasInput: false,
  };
  state.block = block;
  if (type === "text") return addText(state, content["text"]);
  if (type === "thinking") return addThinking(block, content["thinking"]);
  if (type === "redacted_thinking") return isThinking(content) ? [{ thinking_blocks: [content] }] : [];
  if (type !== "tool_use") {
    reportBlock(content, info);
    return [];
  }
  // Servers that do not stream arguments give them here.
  const whole = isJsonObject(input) && Object.keys(input).length > 0 ? stringifyJson(input) : "";
  if (name === state.answering) {
    state.answered = true;
    return addInput(state, block, whole);
  }
  block.call = state.calls++;
  block.hasInput = whole !== "";
  const id = toCallId(content, block.call, info);
  return [
    { tool_calls: [{ index: block.call, id, type: "function", function: { name, arguments: whole } }] },
  ];
}

function continueBlock(state: StreamState, delta: unknown): Delta[] {
  const { block } = state;
  if (!block || !isJsonObject(delta)) return [];
  switch (delta["type"]) {
    case "text_delta":
      return addText(state, delta["text"]);
    case "thinking_delta":
      return addThinking(block, delta["thinking"]);
    case "signature_delta":
      block.signature = delta["signature"];
      return [];
    case "citations_delta":
      block.citations.push(delta["citation"]);
      return [];
    case "input_json_delta":
      return block.type === "tool_use" ? addInput(state, block, delta["partial_json"]) : [];
    default:
      return [];
  }
}

function addText(state: StreamState, text: unknown): Delta[] {
  if (typeof text !== "string" || text === "") return [];
  state.textLength += text.length;
  return [{ content: text }];
}

function addThinking(block: OpenBlock, thinking: unknown): Delta[] {
  if (typeof thinking !== "string" || thinking === "") return [];
  block.thinking += thinking;
  return [{ reasoning_content: thinking }];
}

function addInput(state: StreamState, block: OpenBlock, piece: unknown): Delta[] {
  if (typeof piece !== "string" || piece === "") return [];
  block.hasInput = true;
  if (block.call < 0) return addText(state, piece);
  return [{ tool_calls: [{ index: block.call, function: { arguments: piece } }] }];
}

function endBlock(state: StreamState, info: Info): Delta[] {
  const { block } = state;
  state.block = undefined;
  switch (block?.type) {
    case "text": {
      const cited = { start: block.textStart, end: state.textLength };
      const annotations = toAnnotations(block.citations, cited, info);
      return annotations.length > 0 ? [{ annotations }] : [];
    }
    case "thinking": {
      const { thinking, signature } = block;
      const whole = { type: "thinking", thinking, signature };
      return isThinking(whole) ? [{ thinking_blocks: [whole] }] : [];
    }
    case "tool_use":
      // Clients parse the pieces when all are there, and nothing is no JSON.
      return block.hasInput ? [] : addInput(state, block, "{}");
    default:
      return [];
  }
}

function endMessage(state: StreamState, info: Info): JsonObject[] {
  if (state.over || !state.ended) return [];
  state.over = true;
  const refusal = toRefusal(state.ended);
  return [
    ...startMessage(state, undefined, info),
    ...toChunks(state, refusal === null ? [] : [{ refusal }], info),
    toChunk(state.head!, {}, toFinish(state.ended, state.answered, info)),
    { ...state.head, choices: [], usage: toUsage(state.usage) },
  ];
}
