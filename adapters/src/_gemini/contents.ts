import {
  drop,
  isEmpty,
  isJsonObject,
  report,
  sortFields,
  translate,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readArguments } from "../_call-arguments.ts";
import { toParts, toPlainText, toTextParts } from "./content-parts.ts";
import { FOREIGN_SIGNATURE } from "./foreign-signatures.ts";
import { isBeforeGemini3 } from "./model-path.ts";

/** Fates of the members of one message. */
export const messageFields: FieldTable = {
  role: translate(
    "`user` or `model`; system texts become `systemInstruction`, results of tools a `user` turn",
  ),
  content: translate("parts: text, `inlineData`, `fileData`"),
  refusal: translate("a part of text"),
  tool_calls: translate("`functionCall` parts, arguments as objects, with their thought signatures", isEmpty),
  tool_call_id: translate("`functionResponse.id`, and the name of the call that it answers"),
  extra_content: translate("`google.thought_signature` goes with the last part of text"),
  name: drop("Gemini does not tell participants apart", isEmpty),
  reasoning_content: drop("thoughts come back by their signatures", isEmpty),
  reasoning: drop("thoughts come back by their signatures", isEmpty),
  thinking_blocks: drop("the signatures of another vendor mean nothing to Gemini", isEmpty),
  annotations: drop("Gemini takes no annotations", isEmpty),
};

export interface Contents {
  contents: JsonObject[];
  systemInstruction?: JsonObject;
}

/** Carried from message to message. */
interface Conversation {
  /** Names of the calls so far, by id. */
  readonly names: Map<unknown, unknown>;
  readonly systemTexts: string[];
  readonly contents: JsonObject[];
  readonly dropped: Set<string>;
  /** Stand-ins are given to models that ask for signatures. */
  readonly needsSignatures: boolean;
}

export function toContents(messages: unknown, model: string, dropped: Set<string>): Contents {
  if (!Array.isArray(messages)) throw wrongShape("messages", "a list", messages);
  const conversation: Conversation = {
    names: new Map(),
    systemTexts: [],
    contents: [],
    dropped,
    needsSignatures: !isBeforeGemini3(model),
  };
  for (const [index, message] of messages.entries()) addMessage(conversation, message, `messages[${index}]`);
  const { contents, systemTexts } = conversation;
  if (contents.length === 0)
    throw new UnsupportedField("messages", "`messages` must hold one that is not a system message");
  return {
    contents,
    ...(systemTexts.length > 0 && { systemInstruction: { parts: [{ text: systemTexts.join("\n\n") }] } }),
  };
}

function addMessage(conversation: Conversation, message: unknown, at: string): void {
  if (!isJsonObject(message)) throw wrongShape(at, "an object", message);
  const { dropped, systemTexts, contents } = conversation;
  const { forwarded, translated } = sortFields(message, messageFields, dropped, `${at}.`);
  for (const name of Object.keys(forwarded)) report(dropped, `${at}.${name}`);
  const { role, content, refusal } = translated;
  switch (role) {
    case "system":
    case "developer": {
      const text = toPlainText(content, `${at}.content`, dropped, "\n");
      // All of them lead in Gemini: one that came later lost its place.
      if (contents.length > 0) report(dropped, `${at}.role`);
      if (text !== "") systemTexts.push(text);
      return;
    }
    case "user":
      addTurn(contents, "user", toParts(content, `${at}.content`, dropped));
      return;
    case "assistant": {
      const texts = toParts(content, `${at}.content`, dropped);
      if (refusal !== undefined) texts.push(...toTextParts(refusal, `${at}.refusal`));
      signText(texts, translated["extra_content"], `${at}.extra_content`, dropped);
      const calls = toCalls(conversation, translated["tool_calls"], `${at}.tool_calls`);
      addTurn(contents, "model", [...texts, ...calls]);
      return;
    }
    case "tool":
      addResult(conversation, translated, message["name"], at);
      return;
    default:
      throw new UnsupportedField(`${at}.role`, `\`${at}.role\` must be a role of the chat API`);
  }
}

/** Gemini refuses turns without parts; one that says nothing is none. */
function addTurn(contents: JsonObject[], role: "user" | "model", parts: JsonObject[]): void {
  if (parts.length > 0) contents.push({ role, parts });
}

function signText(parts: JsonObject[], extra: unknown, at: string, dropped: Set<string>): void {
  const signature = readSignature(extra, at, dropped);
  if (signature === undefined) return;
  const last = parts.at(-1);
  if (last === undefined) parts.push({ text: "", thoughtSignature: signature });
  else last["thoughtSignature"] = signature;
}

/** `extra_content.google.thought_signature`, as Google's own OpenAI surface writes it. The rest is reported. */
function readSignature(extra: unknown, at: string, dropped: Set<string>): string | undefined {
  if (extra === undefined || extra === null) return undefined;
  const google = isJsonObject(extra) ? extra["google"] : undefined;
  const signature = isJsonObject(google) ? google["thought_signature"] : undefined;
  if (typeof signature !== "string") {
    report(dropped, at);
    return undefined;
  }
  if (Object.keys(extra).length > 1 || Object.keys(google as JsonObject).length > 1) report(dropped, at);
  return signature;
}

function toCalls(conversation: Conversation, calls: unknown, at: string): JsonObject[] {
  if (calls === undefined) return [];
  if (!Array.isArray(calls)) throw wrongShape(at, "a list", calls);
  return calls.map((call: unknown, index) => toCall(conversation, call, index, `${at}[${index}]`));
}

function toCall(
  { names, dropped, needsSignatures }: Conversation,
  call: unknown,
  index: number,
  at: string,
): JsonObject {
  if (!isJsonObject(call) || !isJsonObject(call["function"]))
    throw new UnsupportedField(at, `\`${at}\`: Gemini takes calls of functions only`);
  const { id, type: _, function: called, extra_content, ...rest } = call;
  const { name, arguments: text, ...others } = called;
  for (const member of Object.keys(rest)) report(dropped, `${at}.${member}`);
  for (const member of Object.keys(others)) report(dropped, `${at}.function.${member}`);
  const args = isJsonObject(text) ? text : readArguments(text, `${at}.function.arguments`);
  if (typeof id === "string") names.set(id, name);
  // Of parallel calls only the first carries a signature.
  const signature =
    readSignature(extra_content, `${at}.extra_content`, dropped) ??
    (needsSignatures && index === 0 ? FOREIGN_SIGNATURE : undefined);
  return {
    functionCall: { ...(typeof id === "string" && { id }), name, args },
    ...(signature !== undefined && { thoughtSignature: signature }),
  };
}

/** Results that follow each other answer one turn of the model, and share one turn of the user's. */
function addResult(
  { names, contents, dropped }: Conversation,
  { content, tool_call_id: id }: JsonObject,
  givenName: unknown,
  at: string,
): void {
  const name = names.get(id) ?? givenName;
  if (typeof name !== "string" || typeof id !== "string")
    throw wrongShape(`${at}.tool_call_id`, "the id of a call before it", id);
  const output = toPlainText(content, `${at}.content`, dropped, "\n");
  const part = { functionResponse: { id, name, response: { output } } };
  const last = contents.at(-1)?.["parts"] as JsonObject[] | undefined;
  if (last?.[0]?.["functionResponse"]) last.push(part);
  else contents.push({ role: "user", parts: [part] });
}
