import type { Context, JsonObject } from "gatewright";
import type { TokenOptions } from "./options.ts";

/** Tokens of a picture, whatever its size: above what today's models charge for one in high detail. */
const IMAGE_TOKENS = 2_048;
/** Bytes of sound or of a file that are a token at most: 32 kbit/s of speech at 25 tokens a second. */
const MEDIA_BYTES_PER_TOKEN = 160;

/** One of them is in the `type` of every part that is no text, in every dialect that we front. */
const MEDIA_WORDS = ["image", "audio", "file", "document"];

/** The field that bounds the answer, of operations whose backends write one. */
const OUTPUT_FIELDS: Readonly<Record<string, readonly string[]>> = {
  chat: ["max_tokens", "max_completion_tokens"],
  completions: ["max_tokens"],
  responses: ["max_output_tokens"],
  messages: ["max_tokens"],
};

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
  const fields = OUTPUT_FIELDS[ctx.operation.name];
  if (fields === undefined) return { prompt, output: 0 };
  const { body } = ctx;
  let perAnswer = options.defaultMaxOutput;
  const given = fields.map((field) => body.get(field)).filter((value) => typeof value === "number");
  if (given.length > 0) perAnswer = Math.max(...given);
  else if (options.capOutput && body.kind === "json")
    ctx.body = body.with({ [fields[0]!]: options.defaultMaxOutput });
  const answers = ctx.operation.answers?.(body) ?? 1;
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
    for (const field of ["messages", "input"]) {
      const items = body.get(field);
      if (Array.isArray(items)) addMedia(items, media);
    }
  return (bytes.length - media.bytes) / bytesPerToken + media.tokens;
}

/** Walks messages and their parts. */
function addMedia(items: readonly unknown[], media: { bytes: number; tokens: number }): void {
  for (const item of items) {
    if (typeof item !== "object" || item === null) continue;
    const { type, content } = item as { type?: unknown; content?: unknown };
    if (Array.isArray(content)) addMedia(content, media);
    if (typeof type !== "string" || !MEDIA_WORDS.some((word) => type.includes(word))) continue;
    const payload = payloadLength(item as JsonObject);
    media.bytes += payload;
    media.tokens += type.includes("image")
      ? IMAGE_TOKENS
      : Math.max(IMAGE_TOKENS, payload / MEDIA_BYTES_PER_TOKEN);
  }
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

/** Bytes of text that one event of an answer brings, in any of the dialects that we front. */
export function producedBytes(json: unknown): number {
  if (typeof json !== "object" || json === null) return 0;
  const { choices, delta } = json as { choices?: unknown; delta?: unknown };
  if (!Array.isArray(choices)) return textBytes(delta);
  let sum = 0;
  for (const choice of choices as { delta?: unknown; text?: unknown }[])
    sum += textBytes(choice.delta) + textBytes(choice.text);
  return sum;
}

/** Names and kinds of things come along with the text, but are none. */
const LABELS: ReadonlySet<string> = new Set(["role", "type", "id"]);

function textBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return 0;
  let sum = 0;
  for (const [name, field] of Object.entries(value)) if (!LABELS.has(name)) sum += textBytes(field);
  return sum;
}
