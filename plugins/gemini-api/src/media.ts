import { drop, isEmpty, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { readKnown, toText } from "./google-json.ts";

/** Fates of the members of `inlineData`. */
export const blobFields: FieldTable = {
  mimeType: translate("tells what kind of part the data becomes"),
  data: translate("a data URL, or bare base64 of audio, or the text itself"),
  displayName: translate("the name of a file; of other data there is none", isEmpty),
};

/** Fates of the members of `fileData`. */
export const fileFields: FieldTable = {
  mimeType: translate("an image; other files are refused"),
  fileUri: translate("the URL of an image on the web; what lies at Google is refused"),
  displayName: drop("images have no names", isEmpty),
};

/** Formats of `input_audio` by media type. */
const AUDIO_FORMATS: Readonly<Record<string, string>> = {
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/wave": "wav",
  "audio/mp3": "mp3",
  "audio/mpeg": "mp3",
};

/** The content part of OpenAI's chat that `inlineData` becomes. */
export function toMediaPart(blob: unknown, dropped: Set<string>, at: string): JsonObject {
  const { mimeType, data, displayName } = readKnown(blob, blobFields, dropped, at);
  const type = toText(mimeType, `${at}.mimeType`).toLowerCase();
  const base64 = toStandardBase64(toText(data, `${at}.data`));
  if (type.startsWith("image/"))
    return { type: "image_url", image_url: { url: `data:${type};base64,${base64}` } };
  if (type.startsWith("text/")) return { type: "text", text: Buffer.from(base64, "base64").toString("utf8") };
  const format = Object.hasOwn(AUDIO_FORMATS, type) ? AUDIO_FORMATS[type] : undefined;
  if (format !== undefined) return { type: "input_audio", input_audio: { data: base64, format } };
  if (type.startsWith("application/")) {
    const filename = displayName ?? (type === "application/pdf" ? "document.pdf" : "document");
    return { type: "file", file: { file_data: `data:${type};base64,${base64}`, filename } };
  }
  throw new UnsupportedField(`${at}.mimeType`, `\`${at}.mimeType\`: ${type} cannot be carried`);
}

/** An image on the web. Files that Google keeps are there for Google's models alone. */
export function toRemotePart(file: unknown, dropped: Set<string>, at: string): JsonObject {
  const { mimeType, fileUri } = readKnown(file, fileFields, dropped, at);
  const uri = toText(fileUri, `${at}.fileUri`);
  if (typeof mimeType !== "string" || !mimeType.toLowerCase().startsWith("image/") || !isOnTheWeb(uri))
    throw new UnsupportedField(
      `${at}.fileUri`,
      `\`${at}.fileUri\`: only images on the web can be carried, not files kept by Google`,
    );
  return { type: "image_url", image_url: { url: uri } };
}

function isOnTheWeb(uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, hostname } = new URL(uri);
  return /^https?:$/.test(protocol) && !/(^|\.)(googleapis|youtube)\.com$/.test(hostname);
}

/** Google takes base64 in the alphabet for URLs too (protobuf.dev, ProtoJSON). */
function toStandardBase64(data: string): string {
  return data.replaceAll("-", "+").replaceAll("_", "/");
}
