import {
  compact,
  isEmpty,
  isJsonObject,
  report,
  reportRest,
  sortFields,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { JsonObject } from "gatewright";
import { readArguments } from "../_call-arguments.ts";
import { toBlocks, toText } from "./content-blocks.ts";
import { messageFields } from "./fields.ts";
import { isForeign } from "./foreign-thinking.ts";

/** What a list of messages comes to. */
export interface Conversation {
  /** Text blocks of the system and developer messages, in their order. */
  system: JsonObject[];
  turns: Turn[];
}

/** Turns of one role in a row are one turn, as Anthropic itself reads them. */
export interface Turn {
  role: "user" | "assistant";
  blocks: JsonObject[];
}

export function toConversation(messages: unknown, dropped: Set<string>): Conversation {
  if (!Array.isArray(messages)) throw wrongShape("messages", "a list", messages);
  const conversation: Conversation = { system: [], turns: [] };
  for (const [index, message] of messages.entries()) {
    addMessage(conversation, message, `messages[${index}]`, dropped);
  }
  if (conversation.turns.length === 0)
    throw new UnsupportedField("messages", "`messages`: Anthropic needs one of a user that is not empty");
  return conversation;
}

function addMessage(
  { system, turns }: Conversation,
  message: unknown,
  at: string,
  dropped: Set<string>,
): void {
  if (!isJsonObject(message)) throw wrongShape(at, "an object", message);
  const { forwarded, translated } = sortFields(withoutEcho(message), messageFields, dropped, `${at}.`);
  reportRest(dropped, forwarded, `${at}.`);
  const blocks = toBlocks(translated["content"], `${at}.content`, dropped);
  switch (translated["role"]) {
    case "system":
    case "developer":
      refuseMedia(blocks, at);
      // It moves to the front.
      if (turns.length > 0 && blocks.length > 0) report(dropped, `${at}.role`);
      system.push(...withCacheControl(blocks, translated));
      return;
    case "user":
      addBlocks(turns, "user", withCacheControl(blocks, translated));
      return;
    case "assistant":
      addBlocks(turns, "assistant", toAssistantBlocks(blocks, translated, at, dropped));
      return;
    case "tool":
      addResult(turns, toResult(blocks, translated, at));
      return;
    default:
      throw new UnsupportedField(
        `${at}.role`,
        `\`${at}.role\` must be \`system\`, \`developer\`, \`user\`, \`assistant\` or \`tool\``,
      );
  }
}

/** Signed thinking says all that its bare text does, so that nothing is lost with that. */
function withoutEcho(message: JsonObject): JsonObject {
  const { reasoning_content: text, ...rest } = message;
  const blocks = message["thinking_blocks"];
  return text !== undefined && Array.isArray(blocks) && blocks.some(isOwnThinking) ? rest : message;
}

function refuseMedia(blocks: readonly JsonObject[], at: string): void {
  const found = blocks.findIndex(({ type }) => type !== "text");
  if (found >= 0)
    throw new UnsupportedField(`${at}.content`, `\`${at}.content\`: Anthropic's system prompt is text`);
}

function withCacheControl(blocks: JsonObject[], { cache_control }: JsonObject): JsonObject[] {
  const last = blocks.at(-1);
  return cache_control === undefined || !last ? blocks : [...blocks.slice(0, -1), { ...last, cache_control }];
}

function addBlocks(turns: Turn[], role: Turn["role"], blocks: JsonObject[]): void {
  if (blocks.length === 0) return;
  const last = turns.at(-1);
  if (last?.role === role) last.blocks.push(...blocks);
  else turns.push({ role, blocks: [...blocks] });
}

/**
 * Results go before everything else of their turn
 * (https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls).
 */
function addResult(turns: Turn[], result: JsonObject): void {
  const last = turns.at(-1);
  if (last?.role !== "user") {
    turns.push({ role: "user", blocks: [result] });
    return;
  }
  const results = last.blocks.findIndex(({ type }) => type !== "tool_result");
  last.blocks.splice(results < 0 ? last.blocks.length : results, 0, result);
}

function toResult(blocks: JsonObject[], { tool_call_id, cache_control }: JsonObject, at: string): JsonObject {
  return compact({
    type: "tool_result",
    tool_use_id: toUseId(tool_call_id, `${at}.tool_call_id`),
    content: blocks.length === 0 ? undefined : toPlain(blocks),
    cache_control,
  });
}

/** Thinking first, then texts, then calls: the order in which Claude gives them. */
function toAssistantBlocks(
  blocks: JsonObject[],
  { refusal, thinking_blocks, tool_calls, ...rest }: JsonObject,
  at: string,
  dropped: Set<string>,
): JsonObject[] {
  if (refusal !== undefined && refusal !== "")
    blocks.push({ type: "text", text: toText(refusal, `${at}.refusal`) });
  return withCacheControl(
    [
      ...toThinking(thinking_blocks, `${at}.thinking_blocks`, dropped),
      ...blocks,
      ...toUses(tool_calls, `${at}.tool_calls`, dropped),
    ],
    rest,
  );
}

function toThinking(list: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw wrongShape(at, "a list", list);
  return list.filter((block: unknown): block is JsonObject => {
    if (isOwnThinking(block)) return true;
    // Of another backend: Anthropic takes back only what it signed.
    report(dropped, at);
    return false;
  });
}

function isOwnThinking(block: unknown): block is JsonObject {
  return isThinking(block) && !isForeign(block);
}

/** A block with Anthropic's signature, or one that it encrypted. */
export function isThinking(block: unknown): block is JsonObject {
  if (!isJsonObject(block)) return false;
  const { type, thinking, signature, data } = block;
  if (type === "thinking")
    return typeof thinking === "string" && typeof signature === "string" && signature !== "";
  return type === "redacted_thinking" && typeof data === "string";
}

function toUses(calls: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (calls === undefined) return [];
  if (!Array.isArray(calls)) throw wrongShape(at, "a list", calls);
  return calls.map((call: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(call) || !isJsonObject(call["function"]))
      throw new UnsupportedField(place, `\`${place}\`: Anthropic takes calls of functions only`);
    const { id, type: _, function: called, cache_control, ...rest } = call;
    const { name, arguments: text, ...others } = called;
    reportRest(dropped, rest, `${place}.`);
    reportRest(dropped, others, `${place}.function.`);
    return compact({
      type: "tool_use",
      id: toUseId(id, `${place}.id`),
      name: toText(name, `${place}.function.name`),
      input: isJsonObject(text) ? text : readArguments(text, `${place}.function.arguments`),
      cache_control,
    });
  });
}

/** Ids of other backends may hold what Anthropic does not take: a call and its result change alike. */
function toUseId(id: unknown, at: string): string {
  if (id === "" || typeof id !== "string") throw new UnsupportedField(at, `\`${at}\` must name the call`);
  return id.replaceAll(/[^\w-]/g, "_");
}

/** Blocks as a string where they are one plain text, else as they are. */
export function toPlain(blocks: readonly JsonObject[]): string | readonly JsonObject[] {
  const [only, ...others] = blocks;
  if (!only || others.length > 0) return blocks;
  const { type, text, ...rest } = only;
  return type === "text" && typeof text === "string" && isEmpty(rest) ? text : blocks;
}
