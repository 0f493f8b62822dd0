import { callIdOf, compact, isFieldName, isJsonObject, stringifyJson } from "gatewright";
import type { JsonObject, MappingInfo, StreamMapping } from "gatewright";
import { amazonEventStream } from "./event-stream.ts";
import type { BedrockSettings } from "./options.ts";
import { toHubThinking } from "./thinking.ts";
import { toFailure, toFinishReason, toStopReason, toStreamError, toUsage } from "./reply.ts";

type Info = MappingInfo<BedrockSettings>;

/** A whole reply. The adapter's `errorInReply` has let it through, so that it is an answer. */
export function fromConverseReply(reply: JsonObject, info: Info): JsonObject {
  const { message } = reply["output"] as { message: JsonObject };
  const blocks = Array.isArray(message["content"]) ? message["content"].filter(isJsonObject) : [];
  const text = blocks.map(textOf).join("");
  const thoughts = blocks.map(({ reasoningContent }) => reasoningContent).filter(isJsonObject);
  const thought = thoughts.map(({ reasoningText }) => thoughtOf(reasoningText).text).join("");
  const thinkingBlocks = thoughts.flatMap((thought) => toThinkingBlocks(thought, info));
  const calls = blocks.flatMap(({ toolUse }) => toToolCalls(toolUse, info));
  let length = 0;
  const annotations = blocks.flatMap((block) => {
    const { citationsContent } = block;
    const start = length;
    length += textOf(block).length;
    const cited = isJsonObject(citationsContent) ? toList(citationsContent["citations"]) : [];
    return cited.flatMap((citation) => toAnnotations(citation, { start, end: length }, info));
  });
  const images = blocks.flatMap(({ image }) => (isJsonObject(image) ? toImages(image, info) : []));
  for (const block of blocks) reportBlock(block, info);
  return compact({
    ...toHead(info),
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: text || (calls.length > 0 ? null : ""),
          refusal: null,
          ...(thought && { reasoning_content: thought }),
          ...(thinkingBlocks.length > 0 && { thinking_blocks: thinkingBlocks }),
          ...(images.length > 0 && { images }),
          ...(calls.length > 0 && { tool_calls: calls }),
          ...(annotations.length > 0 && { annotations }),
        },
        logprobs: null,
        finish_reason: toFinishReason(reply["stopReason"], info),
        ...toStopReason(reply["additionalModelResponseFields"]),
      },
    ],
    usage: toUsage(reply["usage"]),
    // What a guardrail found, where that was asked for.
    trace: reply["trace"],
  });
}

interface ChatStreamState {
  /** Tool calls so far; pieces of input belong to the last. */
  calls: number;
  /** Length of the text so far. */
  length: number;
  /** What is known of the open content block. */
  block: {
    /** Where its text begins in the answer's. */
    textStart: number;
    citations: JsonObject[];
    thought: string;
    signature: string;
    input: "none" | "some" | "absent";
    /** An image comes in pieces, each base64 of its own. */
    image?: { format: unknown; pieces: string[] };
  };
  over: boolean;
}

const newBlock = (textStart: number): ChatStreamState["block"] => ({
  textStart,
  citations: [],
  thought: "",
  signature: "",
  input: "absent",
});

/**
 * Events to chunks. Usage comes after the end:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
 */
export const converseStream: StreamMapping<BedrockSettings, ChatStreamState> = {
  format: amazonEventStream,
  start: () => ({ calls: 0, length: 0, block: newBlock(0), over: false }),
  event(state, event, info) {
    if (state.over) return [];
    if (isJsonObject(event["exception"])) {
      state.over = true;
      return [{ error: toStreamError(event["exception"]) }];
    }
    const head = { ...toHead(info), object: "chat.completion.chunk" };
    const chunks: JsonObject[] = [];
    const push = (delta: JsonObject, rest: JsonObject = {}) =>
      chunks.push({ ...head, choices: [{ index: 0, delta, finish_reason: null, ...rest }] });

    const { messageStop, metadata } = event;
    if (isJsonObject(messageStop)) {
      const failure = toFailure(messageStop["stopReason"]);
      if (failure) {
        state.over = true;
        return [{ error: failure }];
      }
      const matched = toStopReason(messageStop["additionalModelResponseFields"]);
      push({}, { finish_reason: toFinishReason(messageStop["stopReason"], info), ...matched });
    } else if (isJsonObject(metadata)) {
      state.over = true;
      const { trace } = metadata;
      const usage = toUsage(metadata["usage"]);
      if (usage) chunks.push(compact({ ...head, choices: [], usage, trace }));
    } else {
      const delta = toDelta(state, event, info);
      if (delta) push(delta);
    }
    return chunks;
  },
};

/** What one event adds to the message; undefined when it adds nothing. */
function toDelta(state: ChatStreamState, event: JsonObject, info: Info): JsonObject | undefined {
  const { messageStart, contentBlockStart, contentBlockDelta, contentBlockStop } = event;
  if (isJsonObject(messageStart)) return { role: "assistant" };
  if (isJsonObject(contentBlockStart)) return openBlock(state, contentBlockStart["start"], info);
  if (isJsonObject(contentBlockDelta)) {
    const { delta } = contentBlockDelta;
    return isJsonObject(delta) ? addToBlock(state, delta, info) : undefined;
  }
  return isJsonObject(contentBlockStop) ? closeBlock(state, info) : undefined;
}

/** Blocks of text are not announced. */
function openBlock(state: ChatStreamState, start: unknown, info: Info): JsonObject | undefined {
  state.block = newBlock(state.length);
  if (!isJsonObject(start)) return undefined;
  const { image } = start;
  if (isJsonObject(image)) state.block.image = { format: image["format"], pieces: [] };
  reportBlock(start, info);
  const [call] = toToolCalls(start["toolUse"], info, state.calls);
  if (!call) return undefined;
  state.block.input = "none";
  const called = { ...(call["function"] as JsonObject), arguments: "" };
  return { tool_calls: [{ index: state.calls++, ...call, function: called }] };
}

function addToBlock(state: ChatStreamState, delta: JsonObject, { model }: Info): JsonObject | undefined {
  const { block, calls } = state;
  const { text, toolUse, reasoningContent, citation, image } = delta;
  if (typeof text === "string") {
    state.length += text.length;
    return text === "" ? undefined : { content: text };
  }
  if (isJsonObject(toolUse)) {
    const { input } = toolUse;
    // Input of a tool that the service runs itself belongs to no call.
    if (typeof input !== "string" || input === "" || block.input === "absent") return undefined;
    block.input = "some";
    return { tool_calls: [{ index: calls - 1, function: { arguments: input } }] };
  }
  if (isJsonObject(reasoningContent)) {
    const { text: thought, signature, redactedContent } = reasoningContent;
    if (typeof signature === "string") block.signature += signature;
    if (typeof redactedContent === "string")
      return {
        thinking_blocks: [toHubThinking({ type: "redacted_thinking", data: redactedContent }, model)],
      };
    if (typeof thought !== "string" || thought === "") return undefined;
    block.thought += thought;
    return { reasoning_content: thought };
  }
  if (isJsonObject(image)) {
    const { source } = image;
    block.image ??= { format: undefined, pieces: [] };
    if (isJsonObject(source) && typeof source["bytes"] === "string") block.image.pieces.push(source["bytes"]);
    return undefined;
  }
  if (isJsonObject(citation)) block.citations.push(citation);
  return undefined;
}

/** A thought is told once more, whole and signed, when it is over. A call without input still has arguments. */
function closeBlock(state: ChatStreamState, info: Info): JsonObject | undefined {
  const { thought, signature, input, image, citations, textStart: start } = state.block;
  state.block = newBlock(state.length);
  const range = { start, end: state.length };
  const annotations = citations.flatMap((citation) => toAnnotations(citation, range, info));
  if (annotations.length > 0) return { annotations };
  if (image) {
    const bytes = Buffer.concat(image.pieces.map((piece) => Buffer.from(piece, "base64")));
    const images = toImages({ format: image.format, source: { bytes: bytes.toString("base64") } }, info);
    return images.length > 0 ? { images } : undefined;
  }
  if (signature !== "")
    return {
      thinking_blocks: [toHubThinking({ type: "thinking", thinking: thought, signature }, info.model)],
    };
  if (input === "none") return { tool_calls: [{ index: state.calls - 1, function: { arguments: "{}" } }] };
  return undefined;
}

function toHead(info: Info): JsonObject {
  return { id: `chatcmpl-${info.requestId}`, created: info.nowSeconds, model: info.requestedModel };
}

/** One call, or none: what the service runs itself (`server_tool_use`) is nothing for the client to do. */
function toToolCalls(toolUse: unknown, info: Info, index = 0): JsonObject[] {
  if (!isJsonObject(toolUse) || isServerTool(toolUse)) return [];
  const { toolUseId, name, input } = toolUse;
  const id = typeof toolUseId === "string" && toolUseId !== "" ? toolUseId : callIdOf(info.requestId, index);
  return [{ id, type: "function", function: { name, arguments: stringifyJson(input ?? {}) } }];
}

function textOf({ text, citationsContent }: JsonObject): string {
  if (typeof text === "string") return text;
  const cited = isJsonObject(citationsContent) ? toList(citationsContent["content"]) : [];
  return cited.map((part) => (typeof part["text"] === "string" ? part["text"] : "")).join("");
}

function thoughtOf(reasoningText: unknown): { text: string; signature: unknown } {
  const { text, signature } = isJsonObject(reasoningText) ? reasoningText : {};
  return { text: typeof text === "string" ? text : "", signature };
}

/** What has to come back with the next turn as it is. */
function toThinkingBlocks({ reasoningText, redactedContent }: JsonObject, { model }: Info): JsonObject[] {
  if (typeof redactedContent === "string")
    return [toHubThinking({ type: "redacted_thinking", data: redactedContent }, model)];
  const { text, signature } = thoughtOf(reasoningText);
  if (typeof signature !== "string") return [];
  return [toHubThinking({ type: "thinking", thinking: text, signature }, model)];
}

/**
 * Sources in the web, for the text of the block that they stand in, in UTF-16 units; those in documents of the request have
 * no address, and are reported.
 */
function toAnnotations(
  { title, location }: JsonObject,
  { start, end }: { start: number; end: number },
  info: Info,
): JsonObject[] {
  const web = isJsonObject(location) ? location["web"] : undefined;
  const url = isJsonObject(web) ? web["url"] : undefined;
  if (typeof url === "string")
    return [
      {
        type: "url_citation",
        url_citation: {
          start_index: start,
          end_index: end,
          url,
          title: typeof title === "string" ? title : "",
        },
      },
    ];
  info.report("output.message.content[].citationsContent");
  return [];
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html; one that is kept in S3 is reported. */
function toImages({ format, source }: JsonObject, info: Info): JsonObject[] {
  const bytes = isJsonObject(source) ? source["bytes"] : undefined;
  if (typeof format === "string" && typeof bytes === "string" && bytes !== "")
    return [{ type: "image_url", image_url: { url: `data:image/${format};base64,${bytes}` } }];
  info.report("output.message.content[].image");
  return [];
}

const READ_BLOCKS = new Set(["text", "toolUse", "reasoningContent", "citationsContent", "image"]);

/** A block for which chats have no place, such as what a tool of the service itself was asked and answered. */
function reportBlock(block: JsonObject, info: Info): void {
  for (const [name, value] of Object.entries(block)) {
    const isRead = READ_BLOCKS.has(name) && !isServerTool(value);
    if (!isRead && isFieldName(name)) info.report(`output.message.content[].${name}`);
  }
}

function isServerTool(toolUse: unknown): boolean {
  return isJsonObject(toolUse) && toolUse["type"] === "server_tool_use";
}

function toList(items: unknown): JsonObject[] {
  return Array.isArray(items) ? items.filter(isJsonObject) : [];
}
