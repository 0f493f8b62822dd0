import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";
import { toInputItemId } from "./ids.ts";
import type { Kept } from "./records.ts";

/** `input` of a request as a list of items. */
export function toItems(input: unknown): JsonObject[] {
  if (Array.isArray(input)) return input.filter(isJsonObject);
  if (typeof input !== "string") return [];
  return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
}

/** Everything that was said up to a response, itself included. */
export function historyOf({ input, response }: Kept): JsonObject[] {
  return [...input, ...toItems(response["output"])];
}

/** The input as it is kept: each item can be asked for by an id. */
export function withIds(items: readonly JsonObject[], responseId: string): JsonObject[] {
  return items.map((item, index) =>
    typeof item["id"] === "string" ? item : { id: toInputItemId(responseId, index), ...item },
  );
}

/**
 * An item as it is listed, in full what a request may say in short
 * (https://platform.openai.com/docs/api-reference/responses/input-items).
 */
export function toListed(item: JsonObject): JsonObject {
  const { type = "message", content, ...rest } = item;
  if (type !== "message" || typeof rest["role"] !== "string") return item;
  const text =
    rest["role"] === "assistant"
      ? { type: "output_text", text: content, annotations: [], logprobs: [] }
      : { type: "input_text", text: content };
  return { status: "completed", ...rest, type, content: typeof content === "string" ? [text] : content };
}

/**
 * An item as another backend takes it that speaks this API itself: without its id, which would be looked up there, and
 * not at all where it holds the thoughts of another model.
 */
export function toForeignItems({
  id: _id,
  status: _status,
  extra_content: _extra,
  ...item
}: JsonObject): JsonObject[] {
  return item["type"] === "reasoning" ? [] : [item];
}
