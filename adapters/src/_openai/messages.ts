import { isEmpty, isJsonObject, report } from "gatewright";
import type { ForeignMembers, JsonObject } from "gatewright";

/** What a server takes of the members that a message may have. */
export interface MessageRules {
  /** What it calls the reasoning of an earlier answer; absent: it wants none back. */
  reasoning?: "reasoning_content" | "reasoning";
  /** The models that take it back, where others refuse it. Absent: all do. */
  reasoningModels?: RegExp;
  /** It knows the role `developer`. */
  developer?: boolean;
  /** It takes `cache_control` on content parts. */
  cacheControl?: boolean;
  /** It refuses every other member. Absent: it pays no heed to what it does not know. */
  only?: ReadonlySet<string>;
}

/** Extensions of the hub: other vendors made or read them, and some servers refuse a request that holds any. */
const FOREIGN: ReadonlySet<string> = new Set([
  "thinking_blocks",
  "extra_content",
  "images",
  "citations",
  "cache_control",
]);
const HINT: ReadonlySet<string> = new Set(["cache_control"]);

/**
 * A history that this server can read: `developer` is `system`, reasoning goes by the server's name for it, and
 * members that it could trip over are left out.
 */
export function toMessages(messages: unknown, rules: MessageRules, dropped: Set<string>): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.map((message: unknown) =>
    isJsonObject(message) ? toMessage(message, rules, dropped) : message,
  );
}

/** Tools without marks for caches, which no server with OpenAI's API takes there. */
export function toTools(tools: unknown, dropped: Set<string>): unknown {
  return Array.isArray(tools) ? without(tools, HINT, "tools[].", dropped) : tools;
}

/**
 * For OpenAI itself, which knows none of these members and has refused whatever it did not know in a message
 * (`Additional properties are not allowed`), so that a history may come from another vendor's answers.
 */
export const FOREIGN_MEMBERS: ForeignMembers = {
  names: [...FOREIGN, "reasoning_content", "reasoning"],
  leaveOut({ messages, tools }, dropped) {
    return {
      messages: toMessages(messages, { developer: true }, dropped),
      ...(tools !== undefined && { tools: toTools(tools, dropped) }),
    };
  },
};

function toMessage(message: JsonObject, rules: MessageRules, dropped: Set<string>): JsonObject {
  const { reasoning: named, developer, only, cacheControl } = rules;
  const { role, reasoning_content, reasoning, ...rest } = message;
  const thought = reasoning_content ?? reasoning;
  const members: [string, unknown][] = [["role", role === "developer" && !developer ? "system" : role]];
  for (const [name, value] of Object.entries(rest)) {
    if (FOREIGN.has(name) || only?.has(name) === false) leaveOut(name, value, "messages[].", dropped);
    else members.push([name, value]);
  }
  if (named !== undefined && thought !== undefined && thought !== null) members.push([named, thought]);
  else if (reasoning_content !== undefined)
    leaveOut("reasoning_content", reasoning_content, "messages[].", dropped);
  else leaveOut("reasoning", reasoning, "messages[].", dropped);

  // Not by assignment: `__proto__` is a possible name of a member.
  const written: JsonObject = Object.fromEntries(members);
  const { content, tool_calls } = written;
  if (cacheControl !== true && Array.isArray(content))
    written["content"] = without(content, HINT, "messages[].content[].", dropped);
  if (Array.isArray(tool_calls))
    written["tool_calls"] = without(tool_calls, FOREIGN, "messages[].tool_calls[].", dropped);
  return written;
}

/** The items of a list without some of their members. */
function without(
  list: readonly unknown[],
  names: ReadonlySet<string>,
  at: string,
  dropped: Set<string>,
): unknown[] {
  return list.map((item) => {
    if (!isJsonObject(item)) return item;
    const found = Object.keys(item).filter((name) => names.has(name));
    if (found.length === 0) return item;
    const rest = { ...item };
    for (const name of found) {
      leaveOut(name, rest[name], at, dropped);
      delete rest[name];
    }
    return rest;
  });
}

/** Clients send whole replies back: their empty members say nothing. */
function leaveOut(name: string, value: unknown, at: string, dropped: Set<string>): void {
  if (value !== undefined && value !== null && !isEmpty(value)) report(dropped, at + name);
}
