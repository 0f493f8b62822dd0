import { refuse, report, sortSealed, stringifyJson, translate, unseal, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readPart } from "./contents.ts";
import type { Turn } from "./contents.ts";
import { readKnown, toObject, toText } from "./google-json.ts";
import type { Conversation } from "./messages.ts";

/** Fates of the members of a `functionCall`. */
export const callFields: FieldTable = {
  id: translate("the call's id; made where there is none"),
  name: translate("the function's name"),
  args: translate("`arguments`, as text"),
  partialArgs: refuse("a call has to be whole"),
};

/** Parts that OpenAI's assistant cannot have. */
const USERS_OWN = ["inlineData", "fileData", "functionResponse"];

/** A model turn as one message. `turn` is its number, for ids of calls that have none. */
export function toAssistantMessage({ parts }: Turn, turn: number, conversation: Conversation): JsonObject {
  const { dropped, takes } = conversation;
  const calls: JsonObject[] = [];
  const blocks: JsonObject[] = [];
  let thoughts = "";
  let text = "";
  let signature: JsonObject | undefined;
  conversation.open = [];
  for (const { part, at } of parts) {
    const read = readPart(part, dropped, at);
    const { text: piece = "", thought, thoughtSignature, functionCall } = read;
    const wrong = USERS_OWN.find((kind) => read[kind] !== undefined);
    if (wrong !== undefined)
      throw new UnsupportedField(`${at}.${wrong}`, `\`${at}.${wrong}\`: elsewhere only the user sends these`);
    const { signed, thinkingBlocks } = readSignature(thoughtSignature, at, conversation);
    blocks.push(...thinkingBlocks);
    if (thought === true && functionCall === undefined) {
      if (takes("reasoning_content")) thoughts += toText(piece, `${at}.text`);
      else if (piece !== "") report(dropped, `${at}.thought`);
      // Google signs the parts that follow from thoughts.
      if (signed) report(dropped, `${at}.thoughtSignature`);
      continue;
    }
    if (functionCall === undefined) {
      text += toText(piece, `${at}.text`);
      signature = signed ?? signature;
      continue;
    }
    const call = toToolCall(functionCall, `call_${turn}_${calls.length}`, dropped, `${at}.functionCall`);
    conversation.open.push(call.open);
    calls.push(signed ? { ...call.json, extra_content: signed } : call.json);
  }
  return {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    ...(thoughts !== "" && { reasoning_content: thoughts }),
    ...(blocks.length > 0 && { thinking_blocks: blocks }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(signature && { extra_content: signature }),
  };
}

function toToolCall(
  call: unknown,
  fallbackId: string,
  dropped: Set<string>,
  at: string,
): { json: JsonObject; open: Conversation["open"][number] } {
  const { id = fallbackId, name, args = {} } = readKnown(call, callFields, dropped, at);
  const open = { id: toText(id, `${at}.id`), name: toText(name, `${at}.name`) };
  const input = stringifyJson(toObject(args, `${at}.args`));
  return { json: { id: open.id, type: "function", function: { name: open.name, arguments: input } }, open };
}

interface ReadSignature {
  /** Google's own, where it travels in OpenAI's shape, as in Google's own OpenAI API. */
  readonly signed?: JsonObject;
  /** Of another vendor, which a gateway kept there. */
  readonly thinkingBlocks: readonly JsonObject[];
}

const NONE: ReadSignature = { thinkingBlocks: [] };

function readSignature(signature: unknown, at: string, { dropped, takes }: Conversation): ReadSignature {
  if (signature === undefined) return NONE;
  const items = unseal(signature);
  const { thinkingBlocks } = sortSealed(items ?? []);
  if (!items && takes("extra_content"))
    return { ...NONE, signed: { google: { thought_signature: signature } } };
  if (takes("thinking_blocks")) {
    if (!items) report(dropped, `${at}.thoughtSignature`);
    return { thinkingBlocks };
  }
  if (!items || thinkingBlocks.length > 0) report(dropped, `${at}.thoughtSignature`);
  return NONE;
}
