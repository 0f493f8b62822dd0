import { isJsonObject, report, reportRest, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";

/** Formats of `input_audio` and their media types: https://ai.google.dev/gemini-api/docs/audio. */
const AUDIO_TYPES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ["wav", "audio/wav"],
  ["mp3", "audio/mp3"],
  ["aiff", "audio/aiff"],
  ["aac", "audio/aac"],
  ["ogg", "audio/ogg"],
  ["flac", "audio/flac"],
]);

/** By the ending of a URL. The vendor finds others out by itself. */
const IMAGE_TYPES: ReadonlyMap<string, string> = new Map([
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["webp", "image/webp"],
  ["heic", "image/heic"],
  ["heif", "image/heif"],
]);

/** The `content` of a hub message as Gemini's parts. */
export function toParts(content: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (content === undefined) return [];
  if (!Array.isArray(content)) return toTextParts(content, at);
  return content.flatMap((part: unknown, index) => toPart(part, `${at}[${index}]`, dropped));
}

/** A `content` that may hold nothing but text, as one. */
export function toPlainText(content: unknown, at: string, dropped: Set<string>, separator: string): string {
  return toParts(content, at, dropped)
    .map((part, index) => {
      if (typeof part["text"] === "string") return part["text"];
      const place = `${at}[${index}]`;
      throw new UnsupportedField(place, `\`${place}\`: Gemini takes text only here`);
    })
    .join(separator);
}

/** Empty text is no part: Gemini refuses one. */
export function toTextParts(value: unknown, at: string): JsonObject[] {
  const text = toText(value, at);
  return text === "" ? [] : [{ text }];
}

export function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}

function toPart(part: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (!isJsonObject(part)) throw wrongShape(at, "a content part", part);
  const { type, ...members } = part;
  if (typeof type !== "string" || !Object.hasOwn(PART_READERS, type)) {
    const field = typeof type === "string" && Object.hasOwn(members, type) ? `${at}.${type}` : at;
    throw new UnsupportedField(field, `\`${field}\`: Gemini takes no such content`);
  }
  const { [type]: value, ...rest } = members;
  reportRest(dropped, rest, `${at}.`);
  return PART_READERS[type]!(value, `${at}.${type}`, dropped);
}

type PartReader = (value: unknown, at: string, dropped: Set<string>) => JsonObject[];

const PART_READERS: Readonly<Record<string, PartReader>> = {
  text: toTextParts,
  refusal: toTextParts,
  image_url: toImage,
  input_audio: toAudio,
  file: toFile,
};

function toImage(image: unknown, at: string, dropped: Set<string>): JsonObject[] {
  const { url, detail, ...rest } = members(image, at);
  if (detail !== undefined && detail !== null && detail !== "auto") report(dropped, `${at}.detail`);
  reportRest(dropped, rest, `${at}.`);
  const data = readDataUrl(url);
  if (data) return [{ inlineData: data }];
  // The vendor fetches by itself: https://ai.google.dev/gemini-api/docs/file-input-methods.
  if (typeof url === "string" && /^(?:https|gs):\/\//i.test(url)) {
    const mimeType = IMAGE_TYPES.get(/\.(\w+)(?:[?#]|$)/.exec(url)?.[1]?.toLowerCase() ?? "");
    return [{ fileData: { ...(mimeType && { mimeType }), fileUri: url } }];
  }
  throw new UnsupportedField(
    at,
    `\`${at}\`: Gemini takes images as base64 data URLs, https:// and gs:// URLs`,
  );
}

function toAudio(audio: unknown, at: string, dropped: Set<string>): JsonObject[] {
  const { data, format, ...rest } = members(audio, at);
  reportRest(dropped, rest, `${at}.`);
  const mimeType = AUDIO_TYPES.get(format);
  if (mimeType === undefined || typeof data !== "string")
    throw new UnsupportedField(at, `\`${at}\`: Gemini takes base64 ${[...AUDIO_TYPES.keys()].join(", ")}`);
  return [{ inlineData: { mimeType, data } }];
}

function toFile(file: unknown, at: string, dropped: Set<string>): JsonObject[] {
  const { file_data, file_id, ...rest } = members(file, at);
  if (file_id !== undefined && file_id !== null)
    throw new UnsupportedField(`${at}.file_id`, `\`${at}.file_id\`: the file is at another vendor`);
  reportRest(dropped, rest, `${at}.`);
  const data = readDataUrl(file_data);
  if (data) return [{ inlineData: data }];
  throw new UnsupportedField(`${at}.file_data`, `\`${at}.file_data\` must be a base64 data URL`);
}

function members(value: unknown, at: string): JsonObject {
  if (!isJsonObject(value)) throw wrongShape(at, "an object", value);
  return value;
}

/** RFC 2397, base64 alone. Parameters of the media type are left out. */
function readDataUrl(url: unknown): { mimeType: string; data: string } | undefined {
  if (typeof url !== "string") return undefined;
  const comma = url.indexOf(",");
  const head = /^data:([\w.+-]+\/[\w.+-]+)(?:;[^,]*)?;base64$/i.exec(url.slice(0, Math.max(comma, 0)));
  return head ? { mimeType: head[1]!.toLowerCase(), data: url.slice(comma + 1) } : undefined;
}
