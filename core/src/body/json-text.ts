import { asBuffer } from "../as-buffer.ts";
import { GatewayError } from "../errors.ts";

/** Bounds that hold before anything is parsed. */
export interface JsonBounds {
  maxDepth: number;
  /** Most values, keys included. */
  maxValues: number;
}

/** Where the members of a top-level JSON object stand in its text. */
export interface JsonFields {
  /** Index of the opening and of the closing brace. */
  readonly open: number;
  readonly close: number;
  /** Four numbers a member: start and end of the key (quotes included), start and end of the value. */
  readonly spans: readonly number[];
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Up to here a string is searched byte by byte, beyond by the native search: base64 images are long strings. */
const SHORT_STRING_BYTES = 48;

/**
 * Walks JSON text once, without recursion, so that depth and size are known before `JSON.parse` sees the text: a
 * deeply nested or crafted body can stall or end the process there. Also finds the top-level members, so that one of
 * them can be changed while every other byte stays. The text need not be valid; whoever uses it parses it as well.
 */
export function scanJson(text: Uint8Array, bounds?: JsonBounds): JsonFields {
  const maxDepth = bounds?.maxDepth ?? Infinity;
  const maxValues = bounds?.maxValues ?? Infinity;
  const spans: number[] = [];
  const end = text.length;
  let depth = 0;
  let values = 0;
  let open = -1;
  let close = -1;
  let keyStart = -1;
  let keyEnd = -1;
  let valueStart = -1;
  let valueEnd = -1;
  let i = 0;

  while (i < end) {
    const byte = text[i]!;
    if (byte === QUOTE) {
      values++;
      const stop = endOfString(text, i + 1, end);
      if (depth === 1 && open >= 0) {
        if (valueStart === -2) valueStart = i;
        else if (keyStart < 0) {
          keyStart = i;
          keyEnd = stop;
        }
        valueEnd = stop;
      }
      i = stop;
      continue;
    }
    if (byte <= 0x20) {
      i++;
      continue;
    }
    switch (byte) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (depth === 0 && byte === OPEN_BRACE && open < 0) open = i;
        else if (depth === 1 && valueStart === -2) valueStart = i;
        values++;
        depth++;
        if (depth > maxDepth)
          throw new GatewayError("json_too_deep", {
            message: `The body is nested more than ${maxDepth} levels deep`,
          });
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        if (depth === 0 && close < 0) {
          close = i;
          if (valueStart >= 0) spans.push(keyStart, keyEnd, valueStart, valueEnd);
        } else if (depth === 1) valueEnd = i + 1;
        break;
      case COMMA:
        if (values > maxValues) throw tooManyValues(maxValues);
        if (depth === 1 && valueStart >= 0) {
          spans.push(keyStart, keyEnd, valueStart, valueEnd);
          keyStart = keyEnd = valueStart = valueEnd = -1;
        }
        break;
      case COLON:
        if (depth === 1 && keyStart >= 0 && valueStart === -1) valueStart = -2;
        break;
      default: {
        values++;
        const stop = endOfWord(text, i + 1, end);
        if (depth === 1) {
          if (valueStart === -2) valueStart = i;
          valueEnd = stop;
        }
        i = stop;
        continue;
      }
    }
    i++;
  }
  // Between two commas there is room for few values only, so that it was enough to look there on the way.
  if (values > maxValues) throw tooManyValues(maxValues);
  return { open, close, spans };
}

function tooManyValues(maxValues: number): GatewayError {
  return new GatewayError("json_too_large", { message: `The body has more than ${maxValues} values` });
}

/** Index behind a number, `true`, `false` or `null` whose second character is at `from`. */
function endOfWord(text: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && isWord(text[i]!)) i++;
  return i;
}

function isWord(byte: number): boolean {
  return (
    byte > 0x20 &&
    byte !== COMMA &&
    byte !== COLON &&
    byte !== QUOTE &&
    byte !== CLOSE_BRACE &&
    byte !== CLOSE_BRACKET &&
    byte !== OPEN_BRACE &&
    byte !== OPEN_BRACKET
  );
}

/** Index behind the closing quote of a string whose first character is at `from`. */
function endOfString(text: Uint8Array, from: number, end: number): number {
  let i = from;
  const near = Math.min(end, from + SHORT_STRING_BYTES);
  while (i < near) {
    const byte = text[i]!;
    if (byte === QUOTE) return i + 1;
    i += byte === BACKSLASH ? 2 : 1;
  }
  while (i < end) {
    const quote = text.indexOf(QUOTE, i);
    if (quote < 0) return end;
    let slashes = 0;
    while (quote - 1 - slashes >= i && text[quote - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    i = quote + 1;
  }
  return end;
}

/** Names of the members in their order, repeated ones too. */
export function memberNames(text: Uint8Array, { spans }: JsonFields): string[] {
  const names: string[] = [];
  for (let n = 0; n < spans.length; n += 4) names.push(decodeKey(text, spans[n]!, spans[n + 1]!));
  return names;
}

/** The text of a member's value; of the last one where the name is repeated, as `JSON.parse` has it. */
export function memberText(text: Uint8Array, { spans }: JsonFields, name: string): Buffer | undefined {
  for (let n = spans.length - 4; n >= 0; n -= 4)
    if (decodeKey(text, spans[n]!, spans[n + 1]!) === name)
      return Buffer.from(text.buffer, text.byteOffset + spans[n + 2]!, spans[n + 3]! - spans[n + 2]!);
  return undefined;
}

function decodeKey(text: Uint8Array, start: number, end: number): string {
  const raw = asBuffer(text).toString("utf8", start, end);
  if (!raw.includes("\\")) return raw.slice(1, -1);
  try {
    return JSON.parse(raw) as string;
  } catch {
    return raw.slice(1, -1);
  }
}

/** New JSON text by member name; undefined removes the member. */
export type JsonEdits = Readonly<Record<string, string | undefined>>;

/**
 * Sets or removes top-level members of a JSON object. Every byte that is not part of a changed member stays as it
 * was: number spelling, escapes, order and white space.
 */
export function editJson(text: Uint8Array, fields: JsonFields, edits: JsonEdits): Buffer {
  const source = asBuffer(text);
  const pieces: Buffer[] = [];
  const { spans } = fields;
  const count = spans.length / 4;
  let kept = 0;
  let from = 0;
  const pending = new Set(Object.keys(edits));

  for (let n = 0; n < count; n++) {
    const name = decodeKey(text, spans[n * 4]!, spans[n * 4 + 1]!);
    if (!pending.has(name)) {
      kept++;
      continue;
    }
    const edit = edits[name];
    if (edit !== undefined) {
      pieces.push(source.subarray(from, spans[n * 4 + 2]), Buffer.from(edit));
      from = spans[n * 4 + 3]!;
      kept++;
    } else if (kept > 0) {
      // From behind the previous value, so that its comma goes too.
      pieces.push(source.subarray(from, Math.max(from, spans[(n - 1) * 4 + 3]!)));
      from = spans[n * 4 + 3]!;
    } else {
      // Nothing kept before it: up to the next key, so that the comma behind goes.
      pieces.push(source.subarray(from, spans[n * 4]));
      from = n + 1 < count ? spans[(n + 1) * 4]! : spans[n * 4 + 3]!;
    }
    pending.delete(name);
  }
  let added = "";
  for (const name of pending) {
    const edit = edits[name];
    if (edit === undefined) continue;
    added += `${kept > 0 || added ? "," : ""}${JSON.stringify(name)}:${edit}`;
  }
  pieces.push(source.subarray(from, fields.close));
  if (added) pieces.push(Buffer.from(added));
  pieces.push(source.subarray(fields.close));
  return Buffer.concat(pieces);
}
