import { UnsupportedField } from "../../adapter.ts";
import { wrongShape } from "../../field-fault.ts";
import { report } from "../../field-table.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";

/** Content of a user, a system message or a tool, as text where it is one text and nothing else, else as chat's parts. */
export function toContent(content: unknown, at: string, dropped: Set<string>): string | JsonObject[] {
  if (typeof content === "string") return content;
  if (content === undefined || content === null) return "";
  if (!Array.isArray(content)) throw wrongShape(at, "a text or a list of parts", content);
  const parts = content.map((part: unknown, index) => toPart(part, `${at}[${index}]`, dropped));
  const [only] = parts;
  // Servers with a plain template take text alone.
  return parts.length === 1 && isPlainText(only!) ? only["text"] : parts;
}

function isPlainText(part: JsonObject): part is JsonObject & { text: string } {
  return part["type"] === "text" && Object.keys(part).length === 2;
}

function toPart(part: unknown, at: string, dropped: Set<string>): JsonObject {
  if (!isJsonObject(part)) throw wrongShape(at, "an object", part);
  switch (part["type"]) {
    case "input_text":
    case "output_text":
    case "text": {
      const { text, annotations: _a, logprobs: _l, ...rest } = part;
      return { ...rest, type: "text", text: String(text) };
    }
    case "input_image":
      return toImage(part, at, dropped);
    case "input_file":
      return toFile(part, at, dropped);
    case "input_audio":
      return part;
    default:
      throw new UnsupportedField(`${at}.type`, `\`${at}.type\`: chat has no part of this kind`);
  }
}

function toImage(part: JsonObject, at: string, dropped: Set<string>): JsonObject {
  const { type: _, image_url, file_id, detail, ...rest } = part;
  if (file_id) throw accountBound(`${at}.file_id`);
  if (typeof image_url !== "string") throw wrongShape(`${at}.image_url`, "a URL", image_url);
  if (detail === "original") report(dropped, `${at}.detail`);
  const known = typeof detail === "string" && detail !== "original";
  return { ...rest, type: "image_url", image_url: known ? { url: image_url, detail } : { url: image_url } };
}

function toFile(part: JsonObject, at: string, dropped: Set<string>): JsonObject {
  const { type: _, file_data, file_id, file_url, filename, detail, ...rest } = part;
  if (file_id) throw accountBound(`${at}.file_id`);
  if (file_url)
    throw new UnsupportedField(`${at}.file_url`, `\`${at}.file_url\`: chat takes the file itself alone`);
  if (typeof file_data !== "string") throw wrongShape(`${at}.file_data`, "a data URL", file_data);
  if (detail && detail !== "auto") report(dropped, `${at}.detail`);
  const file: JsonObject = { file_data };
  if (typeof filename === "string") file["filename"] = filename;
  return { ...rest, type: "file", file };
}

function accountBound(field: string): UnsupportedField {
  return new UnsupportedField(field, `\`${field}\` names a file that another account keeps`);
}

/** What the model said: the texts of its parts together, and its refusal. */
export function toTexts(content: unknown, at: string): { text: string; refusal?: string } {
  if (typeof content === "string") return { text: content };
  if (content === undefined || content === null) return { text: "" };
  if (!Array.isArray(content)) throw wrongShape(at, "a text or a list of parts", content);
  let text = "";
  let refusal: string | undefined;
  for (const [index, part] of content.entries()) {
    const type = isJsonObject(part) ? part["type"] : undefined;
    if (type === "refusal") refusal = (refusal ?? "") + String((part as JsonObject)["refusal"]);
    else if (type === "output_text" || type === "input_text" || type === "text")
      text += String((part as JsonObject)["text"]);
    else
      throw new UnsupportedField(
        `${at}[${index}]`,
        `\`${at}[${index}]\`: the model's own content is text or a refusal`,
      );
  }
  return refusal === undefined ? { text } : { text, refusal };
}
