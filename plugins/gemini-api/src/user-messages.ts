import {
  drop,
  isEmpty,
  isJsonObject,
  isLongInteger,
  report,
  stringifyJson,
  translate,
  UnsupportedField,
} from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readPart } from "./contents.ts";
import type { Turn } from "./contents.ts";
import { toMediaPart, toRemotePart } from "./media.ts";
import { readKnown, toList, toText } from "./google-json.ts";
import type { Conversation } from "./messages.ts";

/** Fates of the members of a `functionResponse`. */
export const resultFields: FieldTable = {
  id: translate("`tool_call_id`"),
  name: translate("finds the call where there is no id"),
  response: translate("the content of the message: `output` or `error` alone, else all of it as JSON"),
  parts: translate("a message of the user's after the results", isEmpty),
  scheduling: drop("calls are answered in turn elsewhere"),
};

/** A user turn as messages: results first, as each has to follow its call; then whatever else the turn holds. */
export function toUserMessages({ parts }: Turn, conversation: Conversation): JsonObject[] {
  const { dropped } = conversation;
  const results: JsonObject[] = [];
  const content: JsonObject[] = [];
  for (const { part, at } of parts) {
    const { text, thought, thoughtSignature, inlineData, fileData, functionCall, functionResponse } =
      readPart(part, dropped, at);
    if (functionCall !== undefined)
      throw new UnsupportedField(
        `${at}.functionCall`,
        `\`${at}.functionCall\`: only the model calls functions`,
      );
    if (thought === true) report(dropped, `${at}.thought`);
    if (thoughtSignature !== undefined) report(dropped, `${at}.thoughtSignature`);
    if (text !== undefined) content.push({ type: "text", text: toText(text, `${at}.text`) });
    if (inlineData !== undefined) content.push(toMediaPart(inlineData, dropped, `${at}.inlineData`));
    if (fileData !== undefined) content.push(toRemotePart(fileData, dropped, `${at}.fileData`));
    if (functionResponse !== undefined) {
      const result = toResult(functionResponse, conversation, `${at}.functionResponse`);
      results.push(result.message);
      content.push(...result.media);
    }
  }
  if (content.length === 0 && results.length > 0) return results;
  return [...results, { role: "user", content: toContent(content) }];
}

function toContent(parts: readonly JsonObject[]): unknown {
  if (parts.length === 0) return "";
  return parts.length === 1 && parts[0]!["type"] === "text" ? parts[0]!["text"] : parts;
}

function toResult(
  result: unknown,
  { open, dropped }: Conversation,
  at: string,
): { message: JsonObject; media: JsonObject[] } {
  const { id, name, response, parts = [] } = readKnown(result, resultFields, dropped, at);
  const media = toList(parts, `${at}.parts`).map((part, index) => {
    const place = `${at}.parts[${index}]`;
    return toMediaPart(readPart(part, dropped, place)["inlineData"], dropped, `${place}.inlineData`);
  });
  if (media.length > 0) report(dropped, `${at}.parts`);
  // By the id where it is one of them, else the first call of the name: clients that make ids of their own do either.
  const byId = open.findIndex((call) => call.id === id);
  const index = byId < 0 ? open.findIndex((call) => call.name === name) : byId;
  const [call] = index < 0 ? [] : open.splice(index, 1);
  if (!call) throw new UnsupportedField(at, `\`${at}\` answers no call of the turn before`);
  return { message: { role: "tool", tool_call_id: call.id, content: toResultText(response) }, media };
}

/** `output` and `error` are Google's own keys; without them the whole object is the result. */
function toResultText(response: unknown): string {
  if (response === undefined) return "";
  if (!isJsonObject(response)) return toJsonText(response);
  const { output, error } = response;
  if (output !== undefined) return toJsonText(output);
  return error === undefined ? stringifyJson(response) : `Error: ${toJsonText(error)}`;
}

function toJsonText(value: unknown): string {
  return typeof value === "string" && !isLongInteger(value) ? value : stringifyJson(value);
}
