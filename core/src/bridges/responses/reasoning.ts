import { parseJson, stringifyJson } from "../../body/exact-json.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";

/** Marks `encrypted_content` that the gateway wrote, and the form in which it did. */
const SEALED = "gw1.";

/**
 * Thinking blocks with their signatures, in the member of a reasoning item that clients give back as it came. Not
 * encrypted: the signatures are the vendor's own proof.
 */
export function sealThinking(blocks: readonly unknown[]): string | undefined {
  if (blocks.length === 0) return undefined;
  return SEALED + Buffer.from(stringifyJson(blocks)).toString("base64url");
}

/** Undefined for what somebody else wrote. */
export function unsealThinking(encrypted: unknown): JsonObject[] | undefined {
  if (typeof encrypted !== "string" || !encrypted.startsWith(SEALED)) return undefined;
  try {
    const blocks = parseJson(Buffer.from(encrypted.slice(SEALED.length), "base64url").toString("utf8"));
    return Array.isArray(blocks) && blocks.every(isJsonObject) ? blocks : undefined;
  } catch {
    // A client's own making: as foreign as any other.
    return undefined;
  }
}

/** The text of a reasoning item: its content, else its summary. */
export function reasoningText({ content, summary }: JsonObject): string {
  return textsOf(content) || textsOf(summary);
}

function textsOf(parts: unknown): string {
  if (!Array.isArray(parts)) return "";
  return parts
    .filter(isJsonObject)
    .map(({ text }) => (typeof text === "string" ? text : ""))
    .join("\n\n");
}

/** Where the client reads reasoning: as a summary where it asked for one, else as the text itself. */
export function wantsSummary({ reasoning }: JsonObject): boolean {
  if (!isJsonObject(reasoning)) return false;
  return Boolean(reasoning["summary"] ?? reasoning["generate_summary"]);
}
