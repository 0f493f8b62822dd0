import { callIdOf, isFieldName, isJsonObject, stringifyJson } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { partsOf } from "./reply.ts";

/** What of one answer has come so far. */
export interface AnswerState {
  /** Of the whole reply. */
  readonly id: string;
  text: string;
  calls: number;
  /** Audio has begun. */
  audio: boolean;
  /** Sources that were told: Gemini tells them again with every later event. */
  readonly cited: Set<string>;
}

export function startAnswer(id: string): AnswerState {
  return { id, text: "", calls: 0, audio: false, cited: new Set() };
}

/**
 * The new parts of a candidate as deltas of the hub, one a part. A whole reply is read the same way, and its deltas
 * put together.
 */
export function toDeltas(
  candidate: JsonObject,
  index: number,
  answer: AnswerState,
  info: MappingInfo<unknown>,
): JsonObject[] {
  const deltas = partsOf(candidate).flatMap((part) => toDelta(part, index, answer, info));
  for (const delta of deltas) if (typeof delta["content"] === "string") answer.text += delta["content"];
  const annotations = toAnnotations(candidate["groundingMetadata"], answer, info);
  if (annotations.length > 0) deltas.push({ annotations });
  return deltas;
}

function toDelta(
  part: JsonObject,
  index: number,
  answer: AnswerState,
  info: MappingInfo<unknown>,
): JsonObject[] {
  const { text, thought, thoughtSignature, functionCall, inlineData } = part;
  const signed =
    typeof thoughtSignature === "string" && thoughtSignature !== ""
      ? { extra_content: { google: { thought_signature: thoughtSignature } } }
      : undefined;
  if (isJsonObject(functionCall)) {
    const call = { index: answer.calls, ...toCall(functionCall, index, answer.calls, info), ...signed };
    answer.calls++;
    return [{ tool_calls: [call] }];
  }
  // Drafts of an image, among the thoughts, are no answer.
  const media = isJsonObject(inlineData) && thought !== true ? toMedia(inlineData, index, answer) : undefined;
  if (media) return [{ ...media, ...signed }];
  const said = typeof text === "string" ? text : toCodeText(part);
  if (said === "") reportPart(part, info);
  if (thought === true) return said === "" ? [] : [{ reasoning_content: said }];
  if (said === "" && !signed) return [];
  return [{ ...(said !== "" && { content: said }), ...signed }];
}

/** An image or a piece of audio; of what speech is made in comes 16-bit PCM, as from OpenAI in streams. */
function toMedia({ mimeType, data }: JsonObject, index: number, answer: AnswerState): JsonObject | undefined {
  const type = toText(mimeType);
  if (type.startsWith("image/"))
    return {
      images: [{ type: "image_url", image_url: { url: `data:${type};base64,${toText(data)}` } }],
    };
  if (!type.startsWith("audio/")) return undefined;
  const isFirst = !answer.audio;
  answer.audio = true;
  // It is kept nowhere, so that no later turn can refer to it.
  const reference = { id: `audio_${answer.id}_${index}`, expires_at: 0 };
  return { audio: { ...(isFirst && reference), data: toText(data) } };
}

/** Members that say nothing by themselves. */
const SILENT_MEMBERS = new Set([
  "text",
  "thought",
  "thoughtSignature",
  "partMetadata",
  "executableCode",
  "codeExecutionResult",
]);

/** A part for which chats have no place. */
function reportPart(part: JsonObject, info: MappingInfo<unknown>): void {
  for (const name of Object.keys(part))
    if (!SILENT_MEMBERS.has(name) && isFieldName(name)) info.report(`candidates[].content.parts[].${name}`);
}

/** A call comes whole, with arguments as an object. */
function toCall(called: JsonObject, index: number, number: number, info: MappingInfo<unknown>): JsonObject {
  const { id, name, args } = called;
  return {
    id: typeof id === "string" && id !== "" ? id : toCallId(info, index, number),
    type: "function",
    function: { name, arguments: stringifyJson(args ?? {}) },
  };
}

function toCallId({ requestId }: MappingInfo<unknown>, index: number, number: number): string {
  return callIdOf(requestId, index === 0 ? number : `${index}_${number}`);
}

/** What the model's own interpreter ran and said, as it would stand in a text. */
function toCodeText({ executableCode, codeExecutionResult }: JsonObject): string {
  if (isJsonObject(executableCode))
    return fenced(toText(executableCode["language"]).toLowerCase(), executableCode["code"]);
  if (isJsonObject(codeExecutionResult)) return fenced("", codeExecutionResult["output"]);
  return "";
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fenced(language: string, text: unknown): string {
  return typeof text === "string" ? `\n\`\`\`${language}\n${text}\n\`\`\`\n` : "";
}

/**
 * Sources of a grounded answer as citations of the hub: https://ai.google.dev/gemini-api/docs/google-search. Gemini
 * counts bytes of UTF-8, the hub characters. Sources that are no web pages are reported.
 */
function toAnnotations(
  grounding: unknown,
  { text, cited }: AnswerState,
  info: MappingInfo<unknown>,
): JsonObject[] {
  if (!isJsonObject(grounding)) return [];
  const { groundingSupports: supports, groundingChunks: chunks } = grounding;
  if (!Array.isArray(supports) || !Array.isArray(chunks)) return [];
  const bytes = Buffer.from(text);
  const toCharacter = (at: unknown): number =>
    bytes.subarray(0, typeof at === "number" ? at : 0).toString("utf8").length;
  return supports.filter(isJsonObject).flatMap(({ segment, groundingChunkIndices }) => {
    if (!isJsonObject(segment) || !Array.isArray(groundingChunkIndices)) return [];
    return groundingChunkIndices.flatMap((at: unknown) => {
      const chunk: unknown = typeof at === "number" ? chunks[at] : undefined;
      const web = isJsonObject(chunk) ? chunk["web"] : undefined;
      if (!isJsonObject(web) || typeof web["uri"] !== "string") {
        if (isJsonObject(chunk)) info.report("candidates[].groundingMetadata.groundingChunks");
        return [];
      }
      const source = JSON.stringify([segment["startIndex"], segment["endIndex"], web["uri"]]);
      if (cited.has(source)) return [];
      cited.add(source);
      return {
        type: "url_citation",
        url_citation: {
          start_index: toCharacter(segment["startIndex"]),
          end_index: toCharacter(segment["endIndex"]),
          url: web["uri"],
          title: typeof web["title"] === "string" ? web["title"] : "",
        },
      };
    });
  });
}
