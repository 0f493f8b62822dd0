import { isJsonObject } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { partsOf } from "./reply.ts";

/** What of one answer has come so far. */
export interface AnswerState {
  text: string;
  calls: number;
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
  const annotations = toAnnotations(candidate["groundingMetadata"], answer.text);
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
  if (isJsonObject(inlineData) && toText(inlineData["mimeType"]).startsWith("image/")) {
    const url = `data:${toText(inlineData["mimeType"])};base64,${toText(inlineData["data"])}`;
    return [{ images: [{ type: "image_url", image_url: { url } }], ...signed }];
  }
  const said = typeof text === "string" ? text : toCodeText(part);
  if (thought === true) return said === "" ? [] : [{ reasoning_content: said }];
  if (said === "" && !signed) return [];
  return [{ ...(said !== "" && { content: said }), ...signed }];
}

/** A call comes whole, with arguments as an object. */
function toCall(called: JsonObject, index: number, number: number, info: MappingInfo<unknown>): JsonObject {
  const { id, name, args } = called;
  return {
    id: typeof id === "string" && id !== "" ? id : toCallId(info, index, number),
    type: "function",
    function: { name, arguments: JSON.stringify(args ?? {}) },
  };
}

/** Within 40 characters, the most that OpenAI takes when the history goes there later. */
function toCallId(info: MappingInfo<unknown>, index: number, number: number): string {
  const request = info.requestId.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24);
  return index === 0 ? `call_${request}_${number}` : `call_${request}_${index}_${number}`;
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
 * counts bytes of UTF-8, the hub characters.
 */
function toAnnotations(grounding: unknown, text: string): JsonObject[] {
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
      if (!isJsonObject(web) || typeof web["uri"] !== "string") return [];
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
