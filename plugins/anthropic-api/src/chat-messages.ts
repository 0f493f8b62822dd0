import {
  isJsonObject,
  report,
  reportRest,
  sortSealed,
  stringifyJson,
  UnsupportedField,
  unseal,
  wrongShape,
} from "gatewright";
import type { JsonObject, RequestMapping } from "gatewright";
import {
  asText,
  keepCacheControl,
  refuseBlock,
  toBlocks,
  toContent,
  toParts,
  type Block,
} from "./content-parts.ts";
import { toToolName } from "./tool-names.ts";

/** The history in chat's shape, and what it changes about the tools. */
export interface ChatHistory {
  readonly messages: JsonObject[];
  /** Definitions of tools that were added on the way. */
  readonly added: unknown[];
  /** Names of tools that were taken away on the way. */
  readonly removed: ReadonlySet<unknown>;
}

/** `system` and `messages` as messages of chat. */
export function toChatHistory(system: unknown, turns: unknown, mapping: RequestMapping): ChatHistory {
  if (!Array.isArray(turns)) throw wrongShape("messages", "a list of messages", turns);
  const history = { messages: [] as JsonObject[], added: [] as unknown[], removed: new Set<unknown>() };
  if (system !== undefined) history.messages.push(toSystemMessage(toBlocks(system, "system"), mapping));
  for (const [index, turn] of turns.entries()) addTurn(turn, `messages[${index}]`, history, mapping);
  return history;
}

function addTurn(
  turn: unknown,
  at: string,
  { messages, added, removed }: ChatHistory & { removed: Set<unknown> },
  mapping: RequestMapping,
): void {
  if (!isJsonObject(turn)) throw wrongShape(at, "an object", turn);
  const { role, content, ...rest } = turn;
  reportRest(mapping.dropped, rest, `${at}.`);
  // A system message may be there for its other members alone.
  const blocks = toBlocks(content ?? (role === "system" ? [] : undefined), `${at}.content`);
  if (role === "user") messages.push(...toUserMessages(blocks, mapping));
  else if (role === "assistant") messages.push(toAssistantMessage(blocks, mapping));
  else if (role === "system") {
    const texts = blocks.filter((block) => !changeTools(block, added, removed));
    if (texts.length > 0) messages.push(toSystemMessage(texts, mapping));
  } else
    throw new UnsupportedField(`${at}.role`, `\`${at}.role\` must be \`user\`, \`assistant\` or \`system\``);
}

function toSystemMessage(blocks: readonly Block[], mapping: RequestMapping): JsonObject {
  const parts = blocks.flatMap((block) =>
    block.type === "text" ? toParts(block, mapping)! : refuseBlock(block),
  );
  return { role: "system", content: toContent(parts, "\n\n") };
}

/** A block that adds or removes a tool (beta of mid-conversation tool changes). */
function changeTools({ type, members, at }: Block, added: unknown[], removed: Set<unknown>): boolean {
  if (type !== "tool_addition" && type !== "tool_removal") return false;
  const { tool } = members;
  const kind = isJsonObject(tool) ? tool["type"] : undefined;
  if (kind === "tool_reference") {
    const { name } = tool as JsonObject;
    if (type === "tool_removal") removed.add(name);
    else removed.delete(name);
  } else if (kind === "tool_definition" && type === "tool_addition") {
    const { definition } = tool as JsonObject;
    added.push(definition);
    if (isJsonObject(definition)) removed.delete(definition["name"]);
  } else throw new UnsupportedField(`${at}.tool`, `\`${at}.tool\` cannot be carried`);
  return true;
}

/** Results of tools first, one message each, then the rest of the turn with the media of the results. */
function toUserMessages(blocks: readonly Block[], mapping: RequestMapping): JsonObject[] {
  const results: JsonObject[] = [];
  const media: JsonObject[] = [];
  const parts: JsonObject[] = [];
  for (const block of blocks) {
    if (block.type === "tool_result") results.push(toToolMessage(block, media, mapping));
    else parts.push(...(toParts(block, mapping) ?? refuseBlock(block)));
  }
  const rest = [...media, ...parts];
  if (rest.length === 0 && results.length > 0) return results;
  return [...results, { role: "user", content: toContent(rest, "\n\n") }];
}

/** A result in text. Images and files have no place in it: they go to `media`, and a mark stands for them. */
function toToolMessage({ members, at }: Block, media: JsonObject[], mapping: RequestMapping): JsonObject {
  const { tool_use_id, content, is_error, cache_control, ...rest } = members;
  reportRest(mapping.dropped, rest, `${at}.`);
  const id = asText(tool_use_id, `${at}.tool_use_id`);
  const texts: unknown[] = [];
  for (const block of toBlocks(content ?? [], `${at}.content`)) {
    for (const part of toParts(block, mapping) ?? refuseBlock(block)) {
      if (part["type"] === "text") {
        texts.push(part["text"]);
        continue;
      }
      report(mapping.dropped, `${block.at}.${block.type}`);
      texts.push(`[${block.type}: see below]`);
      media.push({ type: "text", text: `The ${block.type} of the result ${id}:` }, part);
    }
  }
  const text = texts.join("\n");
  const message: JsonObject = {
    role: "tool",
    tool_call_id: id,
    content: is_error === true ? `Error: ${text}` : text,
  };
  keepCacheControl(message, cache_control, at, mapping);
  return message;
}

function toAssistantMessage(blocks: readonly Block[], mapping: RequestMapping): JsonObject {
  const parts: JsonObject[] = [];
  const calls: JsonObject[] = [];
  const thinking: Block[] = [];
  for (const block of blocks) {
    if (block.type === "text") parts.push(...toParts(block, mapping)!);
    else if (block.type === "tool_use") calls.push(toToolCall(block, mapping));
    else if (block.type === "thinking" || block.type === "redacted_thinking") thinking.push(block);
    else refuseBlock(block);
  }
  const message: JsonObject = {
    role: "assistant",
    content: parts.length === 0 && calls.length > 0 ? null : toContent(parts, ""),
  };
  if (calls.length > 0) message["tool_calls"] = calls;
  addThinking(message, thinking, mapping);
  return message;
}

function toToolCall({ members, at }: Block, mapping: RequestMapping): JsonObject {
  const { id, name, input, cache_control, caller: _, ...rest } = members;
  reportRest(mapping.dropped, rest, `${at}.`);
  const call: JsonObject = {
    id: asText(id, `${at}.id`),
    type: "function",
    function: { name: toToolName(asText(name, `${at}.name`)), arguments: stringifyJson(input ?? {}) },
  };
  keepCacheControl(call, cache_control, at, mapping);
  return call;
}

/**
 * Signed thinking as it is, and its text alone, each for backends that take it. What another vendor than the dialect's
 * wants back goes to its calls.
 */
function addThinking(
  message: JsonObject,
  blocks: readonly Block[],
  { takes, dropped }: RequestMapping,
): void {
  const signed: Block[] = [];
  let text = "";
  for (const block of blocks) {
    const { type, members, at } = block;
    if (type === "thinking") text += asText(members["thinking"], `${at}.thinking`);
    const items = unseal(members["signature"]);
    const { extras, thinkingBlocks } = sortSealed(items ?? []);
    const isSigned = items ? thinkingBlocks.length > 0 : type === "redacted_thinking" || members["signature"];
    // Sealed thoughts stay so: whether they are its own the adapter sees.
    if (isSigned) signed.push(block);
    if (takes("extra_content")) addExtras(message, extras);
    else if (extras.size > 0) report(dropped, `${at}.signature`);
  }
  const keepsSigned = signed.length > 0 && takes("thinking_blocks");
  const keepsText = text !== "" && takes("reasoning_content");
  if (keepsSigned) message["thinking_blocks"] = signed.map(({ type, members }) => ({ type, ...members }));
  if (keepsText) message["reasoning_content"] = text;
  const isLost = (signed.length > 0 || text !== "") && !keepsSigned && !keepsText;
  if (isLost) report(dropped, `${blocks[0]!.at}.thinking`);
}

function addExtras(message: JsonObject, extras: ReadonlyMap<string | undefined, JsonObject>): void {
  const own = extras.get(undefined);
  if (own) message["extra_content"] = own;
  for (const call of (message["tool_calls"] as JsonObject[] | undefined) ?? []) {
    const extra = extras.get(call["id"] as string);
    if (extra) call["extra_content"] = extra;
  }
}
