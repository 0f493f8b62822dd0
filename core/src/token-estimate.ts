import type { JsonView } from "./body/json-view.ts";
import { isJsonObject } from "./json-object.ts";

/**
 * Tokens where nobody counted them: one for two Han characters and for four other characters that are no white space,
 * rounded up. Of a JSON value all its texts count together, and each number of a list as the token that it is; names of
 * things and kinds (`role`, `type`, `id`, …), what is said twice, and pictures, sound and files do not.
 */
export function estimateTokens(value: unknown): number {
  const texts = new TextCount();
  texts.add(value);
  return texts.tokens;
}

/** The texts of a request that a model reads, in any of the dialects that we front. */
export function estimatePrompt(request: JsonView): number {
  return estimateMembers(request, PROMPT);
}

/** The texts of a whole reply that a model wrote. */
export function estimateAnswer(reply: JsonView): number {
  return estimateMembers(reply, ANSWER);
}

/** What events bring of an answer, counted one by one. */
export class AnswerCount {
  readonly #texts = new TextCount();

  add(event: unknown): void {
    if (!isJsonObject(event)) return;
    for (const name of EVENT) if (event[name] !== undefined) this.#texts.add(event[name]);
  }

  get tokens(): number {
    return this.#texts.tokens;
  }
}

const PROMPT = wordsOf(`messages tools input instructions prompt suffix system contents systemInstruction
  system_instruction content requests query documents`);

const ANSWER = wordsOf("choices candidates content output");

/** Events that end a text often hold it once more, under other names. */
const EVENT = wordsOf("choices candidates delta");

/** Members that hold no text of the conversation, or one that stands elsewhere too. */
const LABELS: ReadonlySet<string> = new Set(
  wordsOf(`role type id object status index model detail cache_control call_id tool_call_id tool_use_id file_id
  finish_reason native_finish_reason finishReason stop_reason stop_sequence logprobs logprobsResult annotations
  safetyRatings citationMetadata groundingMetadata signature thoughtSignature thought_signature thinking_blocks
  reasoning_details encrypted_content mime_type mimeType media_type format`),
);

/** Base64, with or without the head of a data URL: no text has a word so long. */
const PAYLOAD = /^(?:data:[^,]{0,100};base64,|[\w+/-]{200})/;

function estimateMembers(json: JsonView, names: readonly string[]): number {
  const texts = new TextCount();
  for (const name of names) if (json.typeOf(name) !== "missing") texts.add(json.get(name));
  return texts.tokens;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/);
}

class TextCount {
  #han = 0;
  #other = 0;
  #tokens = 0;

  get tokens(): number {
    return this.#tokens + Math.ceil(this.#han / 2 + this.#other / 4);
  }

  add(value: unknown): void {
    if (typeof value === "string") this.#addText(value);
    else if (Array.isArray(value)) for (const item of value) this.#addItem(item);
    else if (isJsonObject(value)) for (const name in value) if (!LABELS.has(name)) this.add(value[name]);
  }

  #addItem(item: unknown): void {
    // A prompt may come as the tokens themselves.
    if (typeof item === "number") this.#tokens++;
    else this.add(item);
  }

  #addText(text: string): void {
    if (PAYLOAD.test(text)) return;
    for (let at = 0; at < text.length; at++) {
      const code = text.codePointAt(at)!;
      if (code > 0xffff) at++;
      if (code < 0x80) {
        // White space and control characters come before all others.
        if (code > 0x20) this.#other++;
      } else if (isHan(code)) this.#han++;
      else if (!/\s/.test(String.fromCodePoint(code))) this.#other++;
    }
  }
}

/** The blocks of Unicode's script Han (UAX #24): ideographs, their radicals, extensions and compatibility forms. */
function isHan(code: number): boolean {
  if (code < 0x2e80) return false;
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0x20000 && code <= 0x3ffff) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    code <= 0x2fdf ||
    code === 0x3005 ||
    code === 0x3007
  );
}
