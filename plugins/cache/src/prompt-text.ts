import { isJsonObject } from "gatewright";
import type { JsonObject, RequestBody } from "gatewright";
import type { SemanticOptions } from "./options.ts";

/** A request taken apart: what its user said last, and everything else, which has to be the same to the letter. */
export interface SplitPrompt {
  readonly text: string;
  readonly rest: JsonObject;
}

/** Where an operation has its conversation: a list of turns, or one text. */
const CONVERSATIONS: Readonly<Record<string, string>> = {
  chat: "messages",
  completions: "prompt",
  responses: "input",
  messages: "messages",
  claudeMessages: "messages",
  generateContent: "contents",
  geminiGenerateContent: "contents",
};

/** Members that offer tools. */
const TOOLS = ["tools", "functions"];

/**
 * Undefined where there is no text of the user's at the end, where it is too long, and where something other than text
 * is spoken of that the options do not allow.
 */
export function splitPrompt(
  operation: string,
  body: RequestBody,
  { maxChars, media, tools }: Pick<SemanticOptions, "maxChars" | "media" | "tools">,
): SplitPrompt | undefined {
  const name = Object.hasOwn(CONVERSATIONS, operation) ? CONVERSATIONS[operation]! : undefined;
  if (name === undefined) return undefined;
  const { json } = body;
  if (!tools && TOOLS.some((each) => Array.isArray(json[each]) && json[each].length > 0)) return undefined;
  const said = splitTurns(json[name], (kind) => (kind === "tool" ? tools : media));
  if (said === undefined || said.text.trim() === "" || said.text.length > maxChars) return undefined;
  return { text: said.text, rest: { ...json, [name]: said.rest } };
}

interface Said {
  readonly text: string;
  readonly rest: unknown;
}

type Allows = (kind: "tool" | "media") => boolean;

function splitTurns(turns: unknown, allows: Allows): Said | undefined {
  if (typeof turns === "string") return { text: turns, rest: null };
  if (!Array.isArray(turns) || !turns.every((turn) => isJsonObject(turn) && isAllowed(turn, allows)))
    return undefined;
  const last = turns.at(-1) as JsonObject | undefined;
  // Gemini's only turn needs no role.
  if (last === undefined || (last["role"] ?? "user") !== "user") return undefined;
  const member = "parts" in last ? "parts" : "content";
  const said = splitParts(last[member]);
  return said && { text: said.text, rest: [...turns.slice(0, -1), { ...last, [member]: said.rest }] };
}

function splitParts(content: unknown): Said | undefined {
  if (typeof content === "string") return { text: content, rest: null };
  if (!Array.isArray(content)) return undefined;
  const texts: string[] = [];
  const rest = content.map((part: unknown) => {
    if (!isJsonObject(part) || typeof part["text"] !== "string") return part;
    texts.push(part["text"]);
    return { ...part, text: null };
  });
  return { text: texts.join("\n"), rest };
}

function isAllowed(turn: JsonObject, allows: Allows): boolean {
  const { role, type, tool_calls: calls, function_call: call } = turn;
  const isTool =
    role === "tool" ||
    role === "function" ||
    calls ||
    call ||
    (typeof type === "string" && type !== "message");
  if (isTool && !allows("tool")) return false;
  const parts = turn["parts"] ?? turn["content"];
  return !Array.isArray(parts) || parts.every((part) => isJsonObject(part) && isPartAllowed(part, allows));
}

function isPartAllowed(part: JsonObject, allows: Allows): boolean {
  const { type, functionCall, functionResponse } = part;
  const isCall = functionCall ?? functionResponse ?? (typeof type === "string" && type.includes("tool"));
  if (isCall) return allows("tool");
  return typeof part["text"] === "string" || typeof part["thinking"] === "string" || allows("media");
}
