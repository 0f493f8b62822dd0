import { asObject, asObjects, asText, isObject, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";

const ROLES = new Set<unknown>(["system", "user", "assistant", "tool"]);
const EFFORTS = new Set<unknown>(["low", "medium", "high", "max"]);

/**
 * What Ollama's JSON reader refuses: fields it does not know it skips
 * (https://github.com/ollama/ollama/blob/main/docs/api.md). @throws Refusal
 */
export function checkChat({ messages, tools, think, options, format }: JsonObject): void {
  for (const message of asObjects(messages)) checkMessage(message);
  for (const tool of asObjects(tools)) {
    if (tool.type !== "function" || !asText(asObject(tool.function).name)) throw wrong("tools");
  }
  if (think !== undefined && typeof think !== "boolean" && !EFFORTS.has(think))
    throw new Refusal(400, `invalid think value: ${JSON.stringify(think)}`);
  if (options !== undefined && !isObject(options)) throw wrong("options");
  if (format !== undefined && format !== "json" && !isObject(format))
    throw new Refusal(400, `invalid format: ${JSON.stringify(format)}`);
}

function checkMessage({ role, content, images, tool_calls: calls }: JsonObject): void {
  if (!ROLES.has(role)) throw new Refusal(400, `invalid role: ${String(role)}`);
  if (typeof content !== "string") throw wrong("messages.content");
  for (const image of (images ?? []) as unknown[]) {
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(asText(image) ?? "")) throw wrong("messages.images");
  }
  for (const call of asObjects(calls)) {
    if (!isObject(asObject(call.function).arguments)) throw wrong("messages.tool_calls.function.arguments");
  }
}

function wrong(field: string): Refusal {
  return new Refusal(400, `json: cannot unmarshal into Go struct field ChatRequest.${field}`);
}
