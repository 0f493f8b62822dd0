import {
  compact,
  isJsonObject,
  report,
  reportRest,
  sortFields,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { JsonObject } from "gatewright";
import { contentPartFields } from "./fields.ts";

/**
 * Content of a message as blocks of Anthropic's. Empty texts are left out: they say nothing, and Anthropic refuses
 * them.
 */
export function toBlocks(content: unknown, at: string, dropped: Set<string>): JsonObject[] {
  if (content === undefined || content === "") return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) throw wrongShape(at, "a string or a list of parts", content);
  return content
    .map((part: unknown, index) => toBlock(part, `${at}[${index}]`, dropped))
    .filter((block) => block["text"] !== "");
}

function toBlock(part: unknown, at: string, dropped: Set<string>): JsonObject {
  const type = isJsonObject(part) ? part["type"] : undefined;
  if (!isJsonObject(part) || typeof type !== "string" || !Object.hasOwn(contentPartFields, type))
    throw new UnsupportedField(at, `\`${at}\`: Anthropic takes text, images and documents`);
  const table = contentPartFields[type]!;
  const { forwarded, translated } = sortFields(part, table, dropped, `${at}.`);
  const known: JsonObject = {};
  for (const [name, value] of Object.entries(forwarded)) {
    if (Object.hasOwn(table, name)) known[name] = value;
    else report(dropped, `${at}.${name}`);
  }
  const place = `${at}.${type}`;
  const value = translated[type];
  if (type === "image_url") return { ...toImage(value, place, dropped), ...known };
  if (type === "file") return { ...toDocument(value, place, dropped), ...known };
  return { type: "text", text: toText(value, place), ...known };
}

export function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}

/** https://platform.claude.com/docs/en/build-with-claude/vision */
const IMAGE_TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

function toImage(image: unknown, at: string, dropped: Set<string>): JsonObject {
  if (!isJsonObject(image)) throw wrongShape(at, "an object", image);
  const { url, detail, ...rest } = image;
  if (detail !== undefined && detail !== null && detail !== "auto") report(dropped, `${at}.detail`);
  reportRest(dropped, rest, `${at}.`);
  if (typeof url === "string" && /^https?:\/\//i.test(url))
    return { type: "image", source: { type: "url", url } };
  const found = readDataUrl(url);
  if (!found || !IMAGE_TYPES.has(found.mediaType))
    throw new UnsupportedField(at, `\`${at}\`: Anthropic takes JPEG, PNG, GIF and WebP, as URL or data URL`);
  return { type: "image", source: { type: "base64", media_type: found.mediaType, data: found.data } };
}

/** https://platform.claude.com/docs/en/build-with-claude/pdf-support */
function toDocument(file: unknown, at: string, dropped: Set<string>): JsonObject {
  if (!isJsonObject(file)) throw wrongShape(at, "an object", file);
  const { file_data, filename, file_id, ...rest } = file;
  if (file_id !== undefined && file_id !== null)
    throw new UnsupportedField(`${at}.file_id`, `\`${at}.file_id\`: it is kept by another backend`);
  reportRest(dropped, rest, `${at}.`);
  const source = toDocumentSource(readDataUrl(file_data));
  if (!source)
    throw new UnsupportedField(
      `${at}.file_data`,
      `\`${at}.file_data\` must be a PDF or plain text as data URL`,
    );
  return compact({ type: "document", source, title: filename });
}

function toDocumentSource(found: DataUrl | undefined): JsonObject | undefined {
  if (found?.mediaType === "application/pdf")
    return { type: "base64", media_type: found.mediaType, data: found.data };
  if (found?.mediaType === "text/plain")
    return {
      type: "text",
      media_type: found.mediaType,
      data: Buffer.from(found.data, "base64").toString("utf8"),
    };
  return undefined;
}

interface DataUrl {
  /** Lower-case, without parameters. */
  mediaType: string;
  data: string;
}

/** A base64 data URL (RFC 2397). Its head alone is matched, since the rest may be megabytes. */
function readDataUrl(url: unknown): DataUrl | undefined {
  if (typeof url !== "string") return undefined;
  const comma = url.indexOf(",");
  const head = /^data:([^;,]+)(?:;[^,]*)?;base64$/i.exec(url.slice(0, Math.max(comma, 0)));
  return head ? { mediaType: head[1]!.toLowerCase(), data: url.slice(comma + 1) } : undefined;
}
