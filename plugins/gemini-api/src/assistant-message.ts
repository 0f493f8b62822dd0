import { refuse, report, stringifyJson, translate, UnsupportedField } from "gatewright";
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
  const { dropped } = conversation;
  const calls: JsonObject[] = [];
  const thoughts = new Thoughts();
  let text = "";
  let signature: JsonObject | undefined;
  conversation.open = [];
  for (const { part, at } of parts) {
    const read = readPart(part, dropped, at);
    const { text: piece = "", thought, thoughtSignature, functionCall } = read;
    const wrong = USERS_OWN.find((kind) => read[kind] !== undefined);
    if (wrong !== undefined)
      throw new UnsupportedField(`${at}.${wrong}`, `\`${at}.${wrong}\`: elsewhere only the user sends these`);
    if (thought === true && functionCall === undefined) {
      thoughts.add(toText(piece, `${at}.text`), thoughtSignature, at);
      continue;
    }
    const signed = toExtraContent(thoughtSignature, at, conversation);
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
    ...thoughts.toMembers(conversation),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(signature && { extra_content: signature }),
  };
}

/** Thoughts of one turn. Each comes in pieces, the last of which may be signed. */
class Thoughts {
  readonly #blocks: { thinking: string; signature?: unknown; at: string }[] = [];

  add(piece: string, signature: unknown, at: string): void {
    let last = this.#blocks.at(-1);
    if (!last || last.signature !== undefined) this.#blocks.push((last = { thinking: "", at }));
    last.thinking += piece;
    if (signature !== undefined) last.signature = signature;
  }

  toMembers({ dropped, takes }: Conversation): JsonObject {
    const text = this.#blocks.map(({ thinking }) => thinking).join("");
    const signed = this.#blocks.filter(({ signature }) => signature !== undefined);
    const first = this.#blocks[0];
    if (text !== "" && !takes("reasoning_content")) report(dropped, `${first!.at}.thought`);
    if (signed.length > 0 && !takes("thinking_blocks")) report(dropped, `${signed[0]!.at}.thoughtSignature`);
    return {
      ...(text !== "" && takes("reasoning_content") && { reasoning_content: text }),
      ...(signed.length > 0 &&
        takes("thinking_blocks") && {
          thinking_blocks: signed.map(({ thinking, signature }) => ({
            type: "thinking",
            thinking,
            signature,
          })),
        }),
    };
  }
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

/** Where a signature travels in OpenAI's shape, as in Google's own OpenAI API. */
function toExtraContent(
  signature: unknown,
  at: string,
  { dropped, takes }: Conversation,
): JsonObject | undefined {
  if (signature === undefined) return undefined;
  if (takes("extra_content")) return { google: { thought_signature: signature } };
  report(dropped, `${at}.thoughtSignature`);
  return undefined;
}
