import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { seal } from "../sealed.ts";

export type ItemStatus = "in_progress" | "completed" | "incomplete";

/**
 * What the model thought, as a summary where the client asked for one, and what its vendor wants back of it. An open item,
 * of which that is not known yet, has no `sealed`.
 */
export function toReasoningItem(
  id: string,
  { text, asSummary, sealed }: { text: string; asSummary: boolean; sealed?: readonly JsonObject[] },
): JsonObject {
  const item: JsonObject = { id, type: "reasoning", summary: [] };
  if (asSummary) item["summary"] = text === "" ? [] : [{ type: "summary_text", text }];
  else item["content"] = text === "" ? [] : [{ type: "reasoning_text", text }];
  if (sealed) item["encrypted_content"] = seal(sealed);
  return item;
}

export function toTextPart(
  text: string,
  annotations: readonly JsonObject[] = [],
  logprobs: readonly JsonObject[] = [],
): JsonObject {
  return { type: "output_text", text, annotations, logprobs };
}

export function toRefusalPart(refusal: string): JsonObject {
  return { type: "refusal", refusal };
}

export function toMessageItem(
  id: string,
  content: readonly JsonObject[],
  status: ItemStatus,
  extra?: unknown,
): JsonObject {
  const item: JsonObject = { id, type: "message", status, role: "assistant", content };
  if (isJsonObject(extra)) item["extra_content"] = extra;
  return item;
}

/** A call as it stands: of a function, or of a tool that takes plain text. */
export interface Call {
  readonly type: "function" | "custom";
  readonly callId: string;
  readonly name: string;
  /** JSON text of a function, any text of a custom tool. */
  readonly input: string;
}

export function toCallItem(id: string, { type, callId, name, input }: Call, status: ItemStatus): JsonObject {
  if (type === "custom") return { id, type: "custom_tool_call", status, call_id: callId, name, input };
  const args = lacksArguments(type, input, status) ? NO_ARGUMENTS : input;
  return { id, type: "function_call", status, call_id: callId, name, arguments: args };
}

/** Clients of this API parse the arguments of every call that is whole. */
export const NO_ARGUMENTS = "{}";

/** Other servers say nothing where a function was called without arguments. */
export function lacksArguments(type: Call["type"], input: string, status: ItemStatus): boolean {
  return type === "function" && status === "completed" && input.trim() === "";
}

/**
 * A generated image, as the item of the tool that makes them at the vendor, `result` being base64. Undefined for one that
 * is elsewhere: this API has no address of an image.
 */
export function toImageItem(id: string, url: string): JsonObject | undefined {
  const [, format, result] = /^data:image\/([\w.+-]+);base64,(.*)$/s.exec(url) ?? [];
  if (result === undefined) return undefined;
  return { id, type: "image_generation_call", status: "completed", result, output_format: format };
}

/** Chat nests a citation under its type; here it is flat. */
export function toAnnotations(annotations: readonly JsonObject[]): JsonObject[] {
  return annotations.map((annotation) => {
    const { url_citation, ...rest } = annotation;
    return isJsonObject(url_citation) ? { ...rest, ...url_citation } : annotation;
  });
}

/** Log probabilities of the text, from a chat choice. */
export function toLogprobItems(logprobs: unknown): JsonObject[] {
  const content = isJsonObject(logprobs) ? logprobs["content"] : undefined;
  if (!Array.isArray(content)) return [];
  return content.filter(isJsonObject).map(withTop);
}

function withTop(item: JsonObject): JsonObject {
  return Array.isArray(item["top_logprobs"]) ? item : { ...item, top_logprobs: [] };
}
