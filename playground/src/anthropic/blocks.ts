import { asObject, asObjects, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import { isSigned } from "../signature.ts";

/** One turn of a conversation, its content as blocks. Turns of one role in a row are one. */
export interface Turn {
  readonly role: "user" | "assistant";
  readonly blocks: JsonObject[];
}

/** Types of blocks by who may send them, with their members beside `type` and `cache_control`. */
const BLOCKS: Readonly<Record<Turn["role"], Readonly<Record<string, readonly string[]>>>> = {
  user: {
    text: ["text", "citations"],
    image: ["source"],
    document: ["source", "title", "context", "citations"],
    search_result: ["source", "title", "content", "citations"],
    tool_result: ["tool_use_id", "content", "is_error"],
  },
  assistant: {
    text: ["text", "citations"],
    thinking: ["thinking", "signature"],
    redacted_thinking: ["data"],
    tool_use: ["id", "name", "input", "caller"],
  },
};
const RESULT_BLOCKS = new Set(["text", "image", "document", "search_result"]);
const IMAGE_TYPES = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

/**
 * The turns of a request, checked. Sources: https://platform.claude.com/docs/en/api/messages/create,
 * https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls and
 * https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
 */
export function readTurns(messages: unknown): Turn[] {
  if (!Array.isArray(messages)) throw new Refusal(400, "messages: Field required");
  if (messages.length === 0) throw new Refusal(400, "messages: at least one message is required");
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const { role, blocks } = readMessage(message, `messages.${index}`, index === messages.length - 1);
    const last = turns.at(-1);
    if (last?.role === role) last.blocks.push(...blocks);
    else turns.push({ role, blocks });
  }
  if (turns[0]!.role !== "user") throw new Refusal(400, 'messages: first message must use the "user" role');
  checkCalls(turns);
  return turns;
}

function readMessage(message: unknown, at: string, isLast: boolean): Turn {
  const { role, content, ...rest } = asObject(message);
  refuseOthers(rest, [], at);
  if (role !== "user" && role !== "assistant")
    throw new Refusal(400, `${at}.role: Input should be 'user' or 'assistant'`);
  if (typeof content === "string") {
    if (content === "" && !(isLast && role === "assistant"))
      throw new Refusal(400, `${at}: all messages must have non-empty content`);
    return { role, blocks: [{ type: "text", text: content }] };
  }
  if (!Array.isArray(content)) throw new Refusal(400, `${at}.content: Field required`);
  if (content.length === 0) throw new Refusal(400, `${at}: all messages must have non-empty content`);
  for (const [index, block] of content.entries()) checkBlock(block, BLOCKS[role], `${at}.content.${index}`);
  return { role, blocks: content as JsonObject[] };
}

function checkBlock(block: unknown, known: Readonly<Record<string, readonly string[]>>, at: string): void {
  const { type, cache_control: _, ...members } = asObject(block);
  const allowed = typeof type === "string" && Object.hasOwn(known, type) ? known[type]! : undefined;
  if (!allowed)
    throw new Refusal(
      400,
      `${at}: Input tag '${String(type)}' found using 'type' does not match any of the expected tags`,
    );
  refuseOthers(members, allowed, at);
  switch (type) {
    case "text":
      checkText(members.text, at);
      return;
    case "image":
      checkSource(asObject(members.source), IMAGE_TYPES, `${at}.source`);
      return;
    case "document":
      checkDocument(asObject(members.source), `${at}.source`);
      return;
    case "tool_result":
      checkResult(members, at);
      return;
    case "tool_use":
      checkUse(members, at);
      return;
    case "thinking":
      if (!isSigned(asText(members.thinking) ?? "", members.signature))
        throw new Refusal(400, `${at}: Invalid \`signature\` in \`thinking\` block`);
      return;
    case "redacted_thinking":
      if (asText(members.data) === undefined) throw new Refusal(400, `${at}.data: Field required`);
  }
}

export function checkText(text: unknown, at: string): void {
  if (typeof text !== "string") throw new Refusal(400, `${at}.text: Input should be a valid string`);
  if (text === "") throw new Refusal(400, `${at}: text content blocks must be non-empty`);
  if (text.trim() === "")
    throw new Refusal(400, `${at}: text content blocks must contain non-whitespace text`);
}

function checkSource(source: JsonObject, types: ReadonlySet<string>, at: string): void {
  if (source.type === "url") {
    if (!/^https?:\/\//.test(asText(source.url) ?? ""))
      throw new Refusal(400, `${at}.url: Only HTTP(S) URLs are supported`);
    return;
  }
  if (source.type !== "base64") throw new Refusal(400, `${at}.type: Input should be 'base64' or 'url'`);
  refuseOthers(source, ["type", "media_type", "data"], at);
  if (!types.has(asText(source.media_type) ?? ""))
    throw new Refusal(400, `${at}.base64.media_type: Input should be ${[...types].join(", ")}`);
  const data = asText(source.data) ?? "";
  if (data === "" || !/^[A-Za-z0-9+/]+={0,2}$/.test(data))
    throw new Refusal(400, `${at}.base64.data: Invalid base64`);
}

function checkDocument(source: JsonObject, at: string): void {
  if (source.type === "text" && source.media_type === "text/plain") return;
  if (source.type === "content") return;
  checkSource(source, new Set(["application/pdf"]), at);
}

function checkResult({ tool_use_id: id, content }: JsonObject, at: string): void {
  if (asText(id) === undefined) throw new Refusal(400, `${at}.tool_use_id: Field required`);
  if (content === undefined || typeof content === "string") return;
  for (const [index, block] of asObjects(content).entries()) {
    if (!RESULT_BLOCKS.has(asText(block.type) ?? ""))
      throw new Refusal(400, `${at}.content.${index}: Input tag does not match any of the expected tags`);
    checkBlock(block, BLOCKS.user, `${at}.content.${index}`);
  }
}

function checkUse({ id, name, input }: JsonObject, at: string): void {
  if (!/^[a-zA-Z0-9_-]+$/.test(asText(id) ?? ""))
    throw new Refusal(400, `${at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
  if (asText(name) === undefined) throw new Refusal(400, `${at}.name: Field required`);
  if (!isObject(input)) throw new Refusal(400, `${at}.input: Input should be a valid dictionary`);
}

/** Each call is answered at the beginning of the very next turn, and nothing else is answered there. */
function checkCalls(turns: readonly Turn[]): void {
  const seen = new Set<unknown>();
  for (const [index, { blocks }] of turns.entries()) {
    const before = index === 0 ? [] : turns[index - 1]!.blocks;
    const open = new Set(before.filter(({ type }) => type === "tool_use").map(({ id }) => id));
    const others = blocks.findIndex(({ type }) => type !== "tool_result");
    for (const [place, { type, tool_use_id: id }] of blocks.entries()) {
      if (type !== "tool_result") continue;
      if (!open.delete(id))
        throw new Refusal(
          400,
          `messages.${index}.content.${place}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(id)}. ` +
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
        );
      if (others >= 0 && others < place)
        throw new Refusal(
          400,
          `messages.${index}: \`tool_result\` blocks must come before all other content`,
        );
    }
    if (open.size > 0)
      throw new Refusal(
        400,
        `messages.${index - 1}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ` +
          `${[...open].join(", ")}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
      );
    for (const { type, id } of blocks) {
      if (type !== "tool_use") continue;
      if (seen.has(id)) throw new Refusal(400, "messages: `tool_use` ids must be unique");
      seen.add(id);
    }
  }
  const last = turns.at(-1)!;
  if (last.role === "assistant" && last.blocks.some(({ type }) => type === "tool_use"))
    throw new Refusal(
      400,
      "messages: `tool_use` ids were found without `tool_result` blocks immediately after",
    );
}

/** @throws Refusal for a member that is none of these. */
export function refuseOthers(members: JsonObject, known: readonly string[], at: string): void {
  const other = Object.keys(members).find((name) => !known.includes(name));
  if (other !== undefined)
    throw new Refusal(400, `${at === "" ? "" : `${at}.`}${other}: Extra inputs are not permitted`);
}
