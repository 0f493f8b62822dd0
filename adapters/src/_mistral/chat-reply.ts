import { isFieldName, isJsonObject, stringifyJson } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";

type Info = Pick<MappingInfo, "report">;

/** A message or delta whose content may be a list that holds thinking beside text. */
export function readMessage(message: JsonObject, info: Info): JsonObject {
  const { content, tool_calls, ...rest } = message;
  return {
    ...rest,
    ...readContent(content, info),
    ...(Array.isArray(tool_calls) && { tool_calls: tool_calls.map(readCall) }),
  };
}

/** References to documents and images have no place in a chat, and are reported. */
function readContent(content: unknown, info: Info): JsonObject {
  if (!Array.isArray(content)) return content === undefined ? {} : { content };
  const parts = content.filter(isJsonObject);
  for (const { type } of parts)
    if (type !== "text" && type !== "thinking") info.report(`choices[].message.content[].${nameOf(type)}`);
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

function nameOf(type: unknown): string {
  return isFieldName(type) ? type : "type";
}

/** Mistral may leave the type out, and give arguments as an object. */
function readCall(call: unknown): unknown {
  if (!isJsonObject(call)) return call;
  const { function: called, ...rest } = call;
  if (!isJsonObject(called) || !isJsonObject(called["arguments"])) return { type: "function", ...call };
  return {
    type: "function",
    ...rest,
    function: { ...called, arguments: stringifyJson(called["arguments"]) },
  };
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
