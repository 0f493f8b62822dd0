import {
  drop,
  isEmpty,
  isJsonObject,
  refuse,
  report,
  reportRest,
  sortFields,
  translate,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readArguments } from "../_call-arguments.ts";
import { toMistralCallId } from "../_mistral/call-id.ts";
import { toBlocks, toCachePoint, toText } from "./content.ts";
import { toOwnThinking } from "./thinking.ts";
import type { ContentScope } from "./content.ts";

/** Fates of the members of one message. */
export const messageFields: FieldTable = {
  role: translate("system messages go to `system`, tool messages into the user's turn"),
  content: translate("content blocks"),
  refusal: translate("a text block"),
  thinking_blocks: translate("`reasoningContent` with its signature; what another model signed is reported"),
  tool_calls: translate("`toolUse` blocks; custom tools are refused", isEmpty),
  tool_call_id: translate("`toolUseId`"),
  reasoning_content: translate(
    "part of `thinking_blocks`; without a signature it cannot go back, and is reported",
  ),
  reasoning: translate("the same"),
  cache_control: translate("a cache point behind the message"),
  name: drop("Bedrock does not tell participants apart", isEmpty),
  annotations: drop("Bedrock takes no annotations back", isEmpty),
  audio: refuse("it refers to audio that another backend keeps"),
  function_call: refuse("use `tool_calls`"),
};

/** Turns alternate between the two. */
export interface Turn {
  role: "user" | "assistant";
  content: JsonObject[];
}

/** A history as Bedrock takes it. */
export interface Conversation {
  system: JsonObject[];
  messages: Turn[];
  /** A tool was called or has answered: Bedrock then wants the tools to be told. */
  usesTools: boolean;
}

export function toConversation(messages: unknown, model: string, dropped: Set<string>): Conversation {
  if (!Array.isArray(messages) || messages.length === 0)
    throw wrongShape("messages", "a list of at least one message", messages);
  const scope: ContentScope = { dropped, documentNames: new Set(), model };
  const conversation: Conversation = { system: [], messages: [], usesTools: false };
  messages.forEach((message: unknown, index) => {
    const at = `messages[${index}]`;
    if (!isJsonObject(message)) throw wrongShape(at, "an object", message);
    const { forwarded, translated } = sortFields(message, messageFields, dropped, `${at}.`);
    // Turns are put together of several messages: there is no place for what nobody knows.
    reportRest(dropped, forwarded, `${at}.`);
    addMessage(conversation, translated, at, scope);
  });
  return conversation;
}

function addMessage(conversation: Conversation, message: JsonObject, at: string, scope: ContentScope): void {
  switch (message["role"]) {
    case "system":
    case "developer":
      // What it said in the middle of the talk, it now says at the start.
      if (conversation.messages.length > 0) report(scope.dropped, `${at}.role`);
      conversation.system.push(...marked(toBlocks(message["content"], `${at}.content`, scope), message));
      return;
    case "user":
      addTurn(conversation, "user", marked(toBlocks(message["content"], `${at}.content`, scope), message));
      return;
    case "assistant":
      addTurn(conversation, "assistant", marked(toAssistantBlocks(message, at, scope), message));
      conversation.usesTools ||= message["tool_calls"] !== undefined;
      return;
    case "tool":
      addTurn(conversation, "user", marked([toToolResult(message, at, scope)], message));
      conversation.usesTools = true;
      return;
    default:
      throw new UnsupportedField(`${at}.role`, `\`${at}.role\` is none that Bedrock knows`);
  }
}

function marked(blocks: JsonObject[], { cache_control: mark }: JsonObject): JsonObject[] {
  return blocks.length === 0 ? blocks : [...blocks, ...toCachePoint(mark)];
}

/** Neighbours of one role are one turn. A turn of nothing is none. */
function addTurn({ messages }: Conversation, role: Turn["role"], content: JsonObject[]): void {
  const last = messages.at(-1);
  if (last?.role === role) last.content.push(...content);
  else if (content.length > 0) messages.push({ role, content });
}

function toAssistantBlocks(message: JsonObject, at: string, scope: ContentScope): JsonObject[] {
  const { content, refusal, tool_calls, thinking_blocks, reasoning_content, reasoning } = message;
  if (thinking_blocks === undefined) {
    if (reasoning_content !== undefined) report(scope.dropped, `${at}.reasoning_content`);
    if (reasoning !== undefined) report(scope.dropped, `${at}.reasoning`);
  }
  return [
    ...toReasoning(thinking_blocks, `${at}.thinking_blocks`, scope),
    ...toBlocks(content, `${at}.content`, scope),
    ...toBlocks(refusal === undefined ? undefined : toText(refusal, `${at}.refusal`), at, scope),
    ...toToolUses(tool_calls, `${at}.tool_calls`, scope),
  ];
}

/** Thoughts go back to the model that they are of, with the signature that proves them. */
function toReasoning(blocks: unknown, at: string, { dropped, model }: ContentScope): JsonObject[] {
  if (blocks === undefined) return [];
  if (!Array.isArray(blocks)) throw wrongShape(at, "a list", blocks);
  return blocks.flatMap((block: unknown, index) => {
    const { type, thinking, signature, data } = toOwnThinking(block, model) ?? {};
    if (type === "thinking" && typeof thinking === "string" && typeof signature === "string")
      return { reasoningContent: { reasoningText: { text: thinking, signature } } };
    if (type === "redacted_thinking" && typeof data === "string")
      return { reasoningContent: { redactedContent: data } };
    report(dropped, `${at}[${index}]`);
    return [];
  });
}

function toToolUses(calls: unknown, at: string, { dropped, model }: ContentScope): JsonObject[] {
  if (calls === undefined) return [];
  if (!Array.isArray(calls)) throw wrongShape(at, "a list", calls);
  return calls.flatMap((call: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(call) || !isJsonObject(call["function"]))
      throw new UnsupportedField(place, `\`${place}\`: Bedrock takes calls of functions only`);
    const { id, type: _, function: called, cache_control: mark, ...rest } = call;
    const { name, arguments: text, ...others } = called;
    reportRest(dropped, rest, `${place}.`);
    reportRest(dropped, others, `${place}.function.`);
    const input = readArguments(text, `${place}.function.arguments`);
    const toolUse = { toolUseId: toToolUseId(id, `${place}.id`, model), name, input };
    return [{ toolUse }, ...toCachePoint(mark)];
  });
}

function toToolResult(message: JsonObject, at: string, scope: ContentScope): JsonObject {
  const blocks = toBlocks(message["content"], `${at}.content`, scope);
  // A cache point stands beside a result, not in it.
  const content = blocks.filter((block) => !("cachePoint" in block));
  if (content.length < blocks.length) report(scope.dropped, `${at}.content[].cache_control`);
  const toolUseId = toToolUseId(message["tool_call_id"], `${at}.tool_call_id`, scope.model);
  return { toolResult: { toolUseId, content } };
}

/**
 * Ids of other vendors may hold other characters, such as `get_weather:0`; call and result lose them alike. Dots and colons
 * are refused by Claude, and by Bedrock itself for long:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html
 */
function toToolUseId(id: unknown, at: string, model: string): string {
  const text = toText(id, at);
  if (model.includes("mistral.")) return toMistralCallId(text);
  return text.replaceAll(/[^\w-]/g, "_").slice(-64);
}
