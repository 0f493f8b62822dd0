import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";

/** A message or delta whose content may be a list that holds thinking beside text. */
export function readMessage(message: JsonObject): JsonObject {
  const { content, tool_calls, ...rest } = message;
  return {
    ...rest,
    ...readContent(content),
    ...(Array.isArray(tool_calls) && { tool_calls: tool_calls.map(readCall) }),
  };
}

function readContent(content: unknown): JsonObject {
  if (!Array.isArray(content)) return content === undefined ? {} : { content };
  const parts = content.filter(isJsonObject);
  const thinking = textOf(parts.flatMap(({ type, thinking: list }) => (type === "thinking" ? list : [])));
  return {
    content: textOf(parts.filter(({ type }) => type === "text")),
    ...(thinking !== "" && { reasoning_content: thinking }),
  };
}

function textOf(parts: readonly unknown[]): string {
  return parts
    .map((part) => (isJsonObject(part) && typeof part["text"] === "string" ? part["text"] : ""))
    .join("");
}

/** Mistral may leave the type out. */
function readCall(call: unknown): unknown {
  return isJsonObject(call) ? { type: "function", ...call } : call;
}

/** An answer that ends with `error` is none; one that met the model's own limit is too long like any other. */
export function readReasons(json: JsonObject): JsonObject {
  const { choices } = json;
  if (!Array.isArray(choices)) return json;
  const reasons = new Set(choices.filter(isJsonObject).map((choice) => choice["finish_reason"]));
  if (reasons.has("error")) return { error: { message: "The backend gave up on its answer" } };
  if (!reasons.has("model_length")) return json;
  return {
    ...json,
    choices: choices.map((choice: unknown) =>
      isJsonObject(choice) && choice["finish_reason"] === "model_length"
        ? { ...choice, finish_reason: "length" }
        : choice,
    ),
  };
}
