import { isJsonObject, isSealed, report, SEAL } from "gatewright";
import type { ForeignMembers, JsonObject } from "gatewright";

/**
 * For servers of the Messages API: thoughts in whose signature a gateway keeps what another vendor wants back. Anthropic
 * refuses a signature that is not its own, and does without thoughts of an earlier turn
 * (https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks).
 */
export const FOREIGN_THINKING: ForeignMembers = {
  marks: [SEAL],
  leaveOut: ({ messages }, dropped) => ({ messages: withoutForeign(messages, dropped) }),
};

/** The same of a request that has been parsed anyway. */
export function withoutForeignThinking(request: JsonObject, dropped: Set<string>): JsonObject {
  return { ...request, messages: withoutForeign(request["messages"], dropped) };
}

/** A turn that held nothing else is gone with it: none may be empty. */
function withoutForeign(messages: unknown, dropped: Set<string>): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.flatMap((message: unknown) => {
    const content = isJsonObject(message) ? message["content"] : undefined;
    if (!Array.isArray(content) || !content.some(isForeign)) return [message];
    report(dropped, "messages[].content[].thinking");
    const rest = content.filter((block) => !isForeign(block));
    return rest.length === 0 ? [] : [{ ...(message as JsonObject), content: rest }];
  });
}

/** A block of thoughts that Anthropic neither signed nor encrypted. */
export function isForeign(block: unknown): boolean {
  if (!isJsonObject(block)) return false;
  const { type, signature, data } = block;
  return type === "thinking" ? isSealed(signature) : type === "redacted_thinking" && isSealed(data);
}
