import { compact, isJsonObject, report, reportRest, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject } from "gatewright";

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html */
const IMAGE_FORMATS: ReadonlyMap<string, string> = new Map([
  ["image/png", "png"],
  ["image/jpeg", "jpeg"],
  ["image/jpg", "jpeg"],
  ["image/gif", "gif"],
  ["image/webp", "webp"],
]);

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html */
const DOCUMENT_FORMATS: ReadonlyMap<string, string> = new Map([
  ["application/pdf", "pdf"],
  ["text/csv", "csv"],
  ["application/msword", "doc"],
  ["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"],
  ["application/vnd.ms-excel", "xls"],
  ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"],
  ["text/html", "html"],
  ["text/plain", "txt"],
  ["text/markdown", "md"],
]);

/** What is gathered over the messages of one request. */
export interface ContentScope {
  readonly dropped: Set<string>;
  /** Names of documents so far: Bedrock wants each once. */
  readonly documentNames: Set<string>;
  /** The model's name at Bedrock. */
  readonly model: string;
}

/** Content blocks of a text or of parts. Empty texts, which Bedrock refuses, are left out. */
export function toBlocks(content: unknown, at: string, scope: ContentScope): JsonObject[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return toTextBlocks(content);
  if (!Array.isArray(content)) throw wrongShape(at, "a string or a list", content);
  return content.flatMap((part: unknown, index) => {
    const place = `${at}[${index}]`;
    if (!isJsonObject(part)) throw wrongShape(place, "an object", part);
    const { type, cache_control: cacheControl, ...rest } = part;
    return [...toPartBlocks(type, rest, place, scope), ...toCachePoint(cacheControl)];
  });
}

/** A mark that what stands before it is to be cached: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
export function toCachePoint(cacheControl: unknown): JsonObject[] {
  if (!isJsonObject(cacheControl)) return [];
  return [{ cachePoint: compact({ type: "default", ttl: cacheControl["ttl"] }) }];
}

export function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}

function toPartBlocks(type: unknown, part: JsonObject, at: string, scope: ContentScope): JsonObject[] {
  switch (type) {
    case "text":
    case "refusal": {
      const { [type]: text, ...rest } = part;
      reportRest(scope.dropped, rest, `${at}.`);
      return toTextBlocks(toText(text, `${at}.${type}`));
    }
    case "image_url":
      return [{ image: toImage(memberOf(part, type, at, scope), `${at}.${type}`, scope) }];
    case "input_audio":
      return [{ audio: toAudio(memberOf(part, type, at, scope), `${at}.${type}`, scope) }];
    case "file":
      return [{ document: toDocument(memberOf(part, type, at, scope), `${at}.${type}`, scope) }];
    default:
      throw new UnsupportedField(at, `\`${at}\`: Bedrock takes text, images, audio and documents`);
  }
}

function toTextBlocks(text: string): JsonObject[] {
  return text === "" ? [] : [{ text }];
}

/** The object that a part holds under its own type. */
function memberOf(part: JsonObject, type: string, at: string, { dropped }: ContentScope): JsonObject {
  const { [type]: member, ...rest } = part;
  reportRest(dropped, rest, `${at}.`);
  if (isJsonObject(member)) return member;
  throw wrongShape(`${at}.${type}`, "an object", member);
}

function toImage(image: JsonObject, at: string, { dropped }: ContentScope): JsonObject {
  const { url, detail, ...rest } = image;
  if (detail !== undefined && detail !== null && detail !== "auto") report(dropped, `${at}.detail`);
  reportRest(dropped, rest, `${at}.`);
  const data = readDataURL(url);
  const format = data && IMAGE_FORMATS.get(data.mediaType);
  if (!format)
    throw new UnsupportedField(at, `\`${at}\`: Bedrock takes PNG, JPEG, GIF and WebP as base64 data URLs`);
  return { format, source: { bytes: data.base64 } };
}

function toAudio(audio: JsonObject, at: string, { dropped }: ContentScope): JsonObject {
  const { data, format, ...rest } = audio;
  reportRest(dropped, rest, `${at}.`);
  return { format: toText(format, `${at}.format`), source: { bytes: toText(data, `${at}.data`) } };
}

function toDocument(file: JsonObject, at: string, { dropped, documentNames }: ContentScope): JsonObject {
  const { file_data, filename, file_id, ...rest } = file;
  if (file_id !== undefined && file_id !== null)
    throw new UnsupportedField(`${at}.file_id`, `\`${at}.file_id\`: Bedrock keeps no files`);
  reportRest(dropped, rest, `${at}.`);
  const data = readDataURL(file_data);
  const name = typeof filename === "string" ? filename : "";
  const format = data && (DOCUMENT_FORMATS.get(data.mediaType) ?? formatOfName(name));
  if (!format)
    throw new UnsupportedField(at, `\`${at}\`: Bedrock takes PDF, text and office documents as data URLs`);
  return { format, name: toDocumentName(name, documentNames), source: { bytes: data.base64 } };
}

function formatOfName(name: string): string | undefined {
  const ending = /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase();
  return ending && [...DOCUMENT_FORMATS.values()].includes(ending) ? ending : undefined;
}

/** Letters, digits, single spaces, hyphens, brackets: no more is taken, in 200 characters at most. */
function toDocumentName(name: string, taken: Set<string>): string {
  const stem = name
    .replace(/\.[a-z]+$/i, "")
    .replaceAll(/[^A-Za-z0-9\s\-()[\]]+/g, "-")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 190);
  let unique = stem || "document";
  for (let number = 2; taken.has(unique); number++) unique = `${stem || "document"} (${number})`;
  taken.add(unique);
  return unique;
}

/** The media type, lower-case, and the data of a base64 data URL (RFC 2397). */
function readDataURL(url: unknown): { mediaType: string; base64: string } | undefined {
  if (typeof url !== "string") return undefined;
  const comma = url.indexOf(",");
  const head = /^data:([^;,]+)(?:;[^,]*)?;base64$/i.exec(url.slice(0, Math.max(comma, 0)));
  return head ? { mediaType: head[1]!.toLowerCase(), base64: url.slice(comma + 1) } : undefined;
}
