import { isEmpty, isJsonObject, report } from "gatewright";
import type { JsonObject } from "gatewright";

/** What a server takes of the members that a message may have. */
export interface MessageRules {
  /** What it calls the reasoning of an earlier answer; absent: it wants none back. */
  reasoning?: "reasoning_content" | "reasoning";
  /** It takes `cache_control` on content parts. */
  cacheControl?: boolean;
  /** It refuses every other member. Absent: it pays no heed to what it does not know. */
  only?: ReadonlySet<string>;
}

/** Signed by other vendors: nobody else can read it. */
const SIGNED = new Set(["thinking_blocks", "extra_content"]);

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

function toMessage(message: JsonObject, rules: MessageRules, dropped: Set<string>): JsonObject {
  const { reasoning: named, only, cacheControl } = rules;
  const { role, reasoning_content, reasoning, ...rest } = message;
  const thought = reasoning_content ?? reasoning;
  const written: JsonObject = { role: role === "developer" ? "system" : role };
  for (const [name, value] of Object.entries(rest)) {
    if (SIGNED.has(name) || only?.has(name) === false) leaveOut(name, value, "messages[].", dropped);
    else written[name] = value;
  }
  if (named !== undefined && thought !== undefined && thought !== null) written[named] = thought;
  else if (reasoning_content !== undefined)
    leaveOut("reasoning_content", reasoning_content, "messages[].", dropped);
  else leaveOut("reasoning", reasoning, "messages[].", dropped);

  const { content, tool_calls } = written;
  if (cacheControl !== true && Array.isArray(content))
    written["content"] = without(content, "cache_control", "messages[].content[].", dropped);
  if (Array.isArray(tool_calls))
    written["tool_calls"] = without(tool_calls, "extra_content", "messages[].tool_calls[].", dropped);
  return written;
}

/** The items of a list without one of their members. */
function without(list: readonly unknown[], name: string, at: string, dropped: Set<string>): unknown[] {
  return list.map((item) => {
    if (!isJsonObject(item) || !Object.hasOwn(item, name)) return item;
    const { [name]: value, ...rest } = item;
    leaveOut(name, value, at, dropped);
    return rest;
  });
}

/** Clients send whole replies back: their empty members say nothing. */
function leaveOut(name: string, value: unknown, at: string, dropped: Set<string>): void {
  if (value !== undefined && value !== null && !isEmpty(value)) report(dropped, at + name);
}
