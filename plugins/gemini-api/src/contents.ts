import { drop, isEmpty, refuse, reportRest, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readKnown, readMessage, toList, toText } from "./google-json.ts";

/** Fates of the members of `contents[]` and of `systemInstruction`. */
export const contentFields: FieldTable = {
  role: translate("`model` becomes `assistant`"),
  parts: translate("content parts, tool calls and messages of results"),
};

/** Fates of the members of one part. */
export const partFields: FieldTable = {
  text: translate("text; with `thought`, reasoning"),
  thought: translate("`reasoning_content`"),
  thoughtSignature: translate(
    "`extra_content.google.thought_signature`; `thinking_blocks` where a gateway keeps them there",
  ),
  inlineData: translate("`image_url`, `input_audio`, `file`, or text"),
  fileData: translate("`image_url`, for images on the web; files kept by Google are refused"),
  functionCall: translate("one of `tool_calls`"),
  functionResponse: translate("a `tool` message"),
  executableCode: refuse("no other backend runs code as Gemini does"),
  codeExecutionResult: refuse("no other backend runs code as Gemini does"),
  toolCall: refuse("a call of a tool that Google runs"),
  toolResponse: refuse("a result of a tool that Google runs"),
  audioTranscription: refuse("transcripts are Gemini's own"),
  videoMetadata: drop("there is no video elsewhere", isEmpty),
  mediaResolution: drop("chooses between tokens and detail", isEmpty),
  mediaProcessing: drop("chooses how Google prepares the media", isEmpty),
  partMetadata: drop("labels of the client's own", isEmpty),
  speechMetadata: drop("tells of speech that Gemini made", isEmpty),
};

/** Contents of one role in a row: a streamed answer comes back as one content for each of its chunks. */
export interface Turn {
  readonly fromModel: boolean;
  readonly parts: { readonly part: unknown; readonly at: string }[];
}

export function toTurns(contents: unknown, dropped: Set<string>): Turn[] {
  const turns: Turn[] = [];
  for (const [index, content] of toList(contents, "contents").entries()) {
    const at = `contents[${index}]`;
    const { role, parts } = readContent(content, dropped, at);
    const fromModel = role === "model";
    if (!fromModel && !USER_ROLES.has(role))
      throw new UnsupportedField(`${at}.role`, `\`${at}.role\` must be \`user\` or \`model\``);
    let turn = turns.at(-1);
    if (turn?.fromModel !== fromModel) turns.push((turn = { fromModel, parts: [] }));
    for (const [place, part] of parts.entries()) turn.parts.push({ part, at: `${at}.parts[${place}]` });
  }
  return turns;
}

/** `function` and `tool` are what results stood under before they were the user's. */
const USER_ROLES = new Set<unknown>(["user", undefined, "function", "tool"]);

/** The texts of a content that is to hold nothing else. */
export function toTexts(content: unknown, dropped: Set<string>, at: string): string[] {
  return readContent(content, dropped, at).parts.map((part, index) => {
    const place = `${at}.parts[${index}]`;
    return toText(readPart(part, dropped, place)["text"], `${place}.text`);
  });
}

function readContent(
  content: unknown,
  dropped: Set<string>,
  at: string,
): { role: unknown; parts: readonly unknown[] } {
  const { role, parts = [] } = readKnown(content, contentFields, dropped, at);
  return { role, parts: toList(parts, `${at}.parts`) };
}

/** The members of a part that can be carried. A part of a kind that nobody knows is refused, not left out. */
export function readPart(part: unknown, dropped: Set<string>, at: string): JsonObject {
  const { forwarded, translated } = readMessage(part, partFields, dropped, at);
  const [unknown] = Object.keys(forwarded);
  if (unknown !== undefined && isEmpty(translated))
    throw new UnsupportedField(`${at}.${unknown}`, `\`${at}.${unknown}\` cannot be carried`);
  reportRest(dropped, forwarded, `${at}.`);
  return translated;
}
