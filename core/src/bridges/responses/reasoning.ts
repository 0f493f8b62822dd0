import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";

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
