import { isJsonObject, readParameter, writeParameter } from "gatewright";
import type { Context, JsonObject } from "gatewright";
import type { TokenOptions } from "./options.ts";

/** Tokens of a picture, whatever its size: above what today's models charge for one in high detail. */
const IMAGE_TOKENS = 2_048;
/** Bytes of sound or of a file that are a token at most: 32 kbit/s of speech at 25 tokens a second. */
const MEDIA_BYTES_PER_TOKEN = 160;

/** One of them is in the `type` of every part that is no text, in every dialect that we front. */
const MEDIA_WORDS = ["image", "audio", "video", "file", "document", "inline"];

/** Where conversations stand. */
const CONVERSATIONS = ["messages", "input", "contents"];

/** What a request may use, known before it is sent. */
export interface TokenBound {
  readonly prompt: number;
  readonly output: number;
}

/**
 * Tokens of the prompt + the maximum of the answer × how many are asked for. Where the request sets no maximum and
 * `capOutput` is on, the body is given one.
 */
export function boundTokens(ctx: Context, options: TokenOptions): TokenBound {
  const prompt = Math.ceil(options.promptTokens?.(ctx) ?? promptBound(ctx, options.bytesPerToken));
  const { body, operation } = ctx;
  const places = operation.parameters?.outputLimit ?? [];
  if (places.length === 0) return { prompt, output: 0 };
  const given = readParameter(body, places);
  const perAnswer = given.length > 0 ? Math.max(...given) : options.defaultMaxOutput;
  if (given.length === 0 && options.capOutput && body.kind === "json") {
    // Where the client has other settings, in whichever spelling.
    const place = places.find(({ within }) => within !== undefined && body.view(within)) ?? places[0]!;
    ctx.body = writeParameter(body, place, options.defaultMaxOutput);
  }
  const answers = operation.answers?.(body) ?? 1;
  return { prompt, output: perAnswer * Math.max(answers, amountOf(body.get("best_of"))) };
}

function amountOf(value: unknown): number {
  return typeof value === "number" ? value : 1;
}

/**
 * The bytes of the body are at least those of the text in it, and what JSON puts around each message is more than the
 * tokens that a template puts there. Pictures, sound and files are no text: theirs are counted apart.
 */
function promptBound({ body, request }: Context, bytesPerToken: number): number {
  const { bytes } = body;
  if (bytes === undefined) return Number(request.headers["content-length"] ?? 0) / MEDIA_BYTES_PER_TOKEN;
  const media = { bytes: 0, tokens: 0 };
  // Most bodies have none, which their bytes tell without a parse.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (MEDIA_WORDS.some((word) => text.includes(word)))
    for (const field of CONVERSATIONS) {
      const items = body.get(field);
      if (Array.isArray(items)) addMedia(items, media);
    }
  return (bytes.length - media.bytes) / bytesPerToken + media.tokens;
}

/** Walks messages and their parts. */
function addMedia(items: readonly unknown[], media: { bytes: number; tokens: number }): void {
  for (const item of items) {
    if (typeof item !== "object" || item === null) continue;
    const { content, parts } = item as { content?: unknown; parts?: unknown };
    if (Array.isArray(content)) addMedia(content, media);
    if (Array.isArray(parts)) addMedia(parts, media);
    const type = kindOf(item as JsonObject);
    if (typeof type !== "string" || !MEDIA_WORDS.some((word) => type.includes(word))) continue;
    const payload = payloadLength(item as JsonObject);
    media.bytes += payload;
    media.tokens += type.includes("image")
      ? IMAGE_TOKENS
      : Math.max(IMAGE_TOKENS, payload / MEDIA_BYTES_PER_TOKEN);
  }
}

/** What a part is; Gemini's have a media type in place of a name. */
function kindOf(part: JsonObject): unknown {
  const { type, inlineData, inline_data: inline = inlineData, fileData, file_data: file = fileData } = part;
  if (type !== undefined) return type;
  const blob = inline ?? file;
  if (!isJsonObject(blob)) return undefined;
  return blob["mimeType"] ?? blob["mime_type"] ?? "file";
}

/** A URL, or base64; the text of a document is text. */
const PAYLOAD = /^(?:data:|https?:|[\w+/-]{64})/;

function payloadLength(part: JsonObject): number {
  let longest = 0;
  for (const field of Object.values(part)) {
    if (typeof field === "string" && PAYLOAD.test(field)) longest = Math.max(longest, field.length);
    else if (typeof field === "object" && field !== null)
      longest = Math.max(longest, payloadLength(field as JsonObject));
  }
  return longest;
}
