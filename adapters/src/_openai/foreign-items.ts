import { isJsonObject, isSealed, report, responseIdOfItem, SEAL } from "gatewright";
import type { ForeignMembers, JsonObject } from "gatewright";

/**
 * For servers of the Responses API: reasoning that another vendor's model did. OpenAI looks up an item of reasoning by its
 * id or decrypts it, and refuses what it did not write (https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items).
 */
export const FOREIGN_ITEMS: ForeignMembers = {
  names: ["extra_content"],
  marks: [SEAL, "item_reference"],
  leaveOut: ({ input }, dropped) => ({ input: withoutForeign(input, dropped) }),
};

/** The same of a request that has been parsed anyway. */
export function withoutForeignItems(request: JsonObject, dropped: Set<string>): JsonObject {
  const { input } = request;
  return Array.isArray(input) ? { ...request, input: withoutForeign(input, dropped) } : request;
}

function withoutForeign(input: unknown, dropped: Set<string>): unknown {
  if (!Array.isArray(input)) return input;
  return input.flatMap((item: unknown) => {
    if (!isJsonObject(item)) return [item];
    if (isForeign(item)) {
      report(dropped, "input[].reasoning");
      return [];
    }
    const { extra_content: extra, ...rest } = item;
    if (extra === undefined) return [item];
    report(dropped, "input[].extra_content");
    return [rest];
  });
}

/** Clients refer to reasoning by its id where they take a response for kept. */
function isForeign({ type, id, encrypted_content: encrypted }: JsonObject): boolean {
  if (type === "reasoning") return isSealed(encrypted);
  if (type !== "item_reference" || typeof id !== "string") return false;
  return id.startsWith("rs_") && responseIdOfItem(id) !== undefined;
}
