import { isJsonObject, parseJson, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";

/** The arguments of a call in a history as an object; none are `{}`. Throws `UnsupportedField` for what is none, of `at`. */
export function readArguments(text: unknown, at: string): JsonObject {
  if (text === "" || text === undefined || text === null) return {};
  try {
    const parsed = typeof text === "string" ? parseJson(text) : undefined;
    if (isJsonObject(parsed)) return parsed;
  } catch {
    // Falls through: a parser's message would quote the arguments.
  }
  throw wrongShape(at, "a JSON object", text);
}
