import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/**
 * Reads replies and chunks of a server that has finish reasons of its own: each becomes the one of OpenAI's API that says
 * the same. `error` stands for an answer that is none.
 */
export function createReasonReading(
  reasons: Readonly<Record<string, "stop" | "length" | "content_filter" | "error">>,
): (json: JsonObject) => JsonObject {
  const known = new Map<unknown, string>(Object.entries(reasons));
  return (json) => {
    const { choices } = json;
    if (!Array.isArray(choices)) return json;
    const found = choices.map((choice: unknown) =>
      isJsonObject(choice) ? known.get(choice["finish_reason"]) : undefined,
    );
    if (found.includes("error")) return { error: { message: "The backend gave up on its answer" } };
    if (found.every((reason) => reason === undefined)) return json;
    return {
      ...json,
      choices: choices.map((choice: JsonObject, at) =>
        found[at] === undefined ? choice : { ...choice, finish_reason: found[at] },
      ),
    };
  };
}
