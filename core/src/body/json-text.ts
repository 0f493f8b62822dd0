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
  /** Index of the opening and of the closing brace; -1 when the text is no object. */
  readonly open: number;
  readonly close: number;
  /** Four numbers a member: start and end of the key (quotes included), start and end of the value. */
  readonly spans: readonly number[];
  /** How many numbers of `spans` are meant. */
  readonly count: number;
  /** Every key is ASCII, spelled without escapes: its bytes are its characters. */
  readonly plainKeys: boolean;
  /** A bit for each length of key there is: most names that are asked for are told absent by it. */
  readonly keyLengths: number;
  /** The same of keys at any depth. */
  readonly allKeyLengths: number;
  /** How deep it is nested: 0 for what is no list and no object. */
  readonly depth: number;
  /** About what a parse makes of it, in numbers of 8 bytes. */
  readonly weight: number;
}

/** What a look in passing tells. */
export interface JsonGlance extends JsonFields {
  /** Some member of the watched name, at any depth, is not null. */
  readonly watched: boolean;
}

const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
/** The first character of `null`. */
const LOWER_N = 0x6e;
const OPEN_BRACE = 0x7b;
/** From an opening bracket or brace to its closing one. */
const TO_CLOSING = 2;

/** Deepest nesting that can be followed at all; what a body may have is far less. */
const MAX_DEPTH = 4_096;
/** Kinds of the containers around the present place. One for all scans: none ever waits for another. */
const containers = new Uint8Array(MAX_DEPTH);
/** The spans of the scan that ran last, likewise: arrays that grow would be the larger part of what a scan leaves. */
const spans: number[] = [];
/** Longer arrays than that are not kept beyond the next scan. */
const MAX_KEPT_SPANS = 4_096;

/**
 * Most members of one object whose members are looked for. Each look goes through all of them, and their places take
 * more room than their text: of 64 MiB of `"a":1` it was 1.3 GB.
 */
const MAX_MEMBERS = 10_000;

/**
 * What a parse makes of a key, and of a list or an object, in place of the 8 bytes of a number in a list. Measured in
 * Node 20: 40 bytes for `[]`, 64 for `{}`, up to 150 for a key that no other object has, next to none for one that
 * many have.
 */
const KEY_WEIGHT = 4;
const CONTAINER_WEIGHT = 8;
/** What the scan that ran last found. */
const latest = {
  open: -1,
  close: -1,
  spans,
  count: 0,
  plainKeys: true,
  keyLengths: 0,
  allKeyLengths: 0,
  depth: 0,
  weight: 0,
  watched: false,
};

/**
 * Reads JSON text strictly (RFC 8259), once, without recursion and without making anything of it but the places of the
 * top-level members. So depth and size are known before any parse, one member can be read or changed while every
 * other byte stays, and a body that nobody looks into is never parsed at all: this takes a fifth of `JSON.parse`'s
 * time. A part of the text can be read alone: `from` and `end` bound it. Throws `invalid_json`, `json_too_deep` or
 * `json_too_large`. That the text is UTF-8 is not checked here.
 */
export function scanJson(text: Uint8Array, bounds?: JsonBounds, from?: number, end?: number): JsonFields {
  scan(text, bounds, from, end, undefined);
  const { open, close, count, plainKeys, keyLengths, allKeyLengths, depth, weight } = latest;
  const kept = spans.slice(0, count);
  return { open, close, spans: kept, count, plainKeys, keyLengths, allKeyLengths, depth, weight };
}

/**
 * The same for a look in passing: what it gives is good until the next scan, and nothing is allocated. `watch` is the
 * name, in bytes, of the member that `watched` tells of.
 */
export function glanceJson(text: Uint8Array, from: number, end: number, watch: Uint8Array): JsonGlance {
  scan(text, undefined, from, end, watch);
  return latest;
}

function scan(
  text: Uint8Array,
  bounds: JsonBounds | undefined,
  from = 0,
  end: number = text.length,
  watch: Uint8Array | undefined,
): void {
  if (spans.length > MAX_KEPT_SPANS) spans.length = 0;
  const maxDepth = Math.min(bounds?.maxDepth ?? MAX_DEPTH, MAX_DEPTH);
  const maxValues = bounds?.maxValues ?? Infinity;
  let count = 0;
  let plainKeys = true;
  let keyLengths = 0;
  let allKeyLengths = 0;
  let watched = false;
  let open = -1;
  let close = -1;
  let depth = 0;
  let deepest = 0;
  let values = 0;
  let keys = 0;
  let lists = 0;
  let keyStart = 0;
  let keyEnd = 0;
  let valueStart = 0;
  let expectKey = false;
  // Between tokens there is seldom anything: a call to find nothing would cost more than the token itself.
  let i = from;
  if (text[i]! <= SPACE) i = skipSpace(text, i, end);

  value: for (;;) {
    if (expectKey) {
      if (text[i] !== QUOTE) throw invalid(i);
      const start = i++;
      let seen = 0;
      while (IN_STRING[text[i]!] === 1) seen |= text[i++]!;
      const isPlain = seen <= 0x7f && text[i] === QUOTE;
      i = isPlain && i < end ? i + 1 : endOfString(text, i, end);
      values++;
      keys++;
      const bit = lengthBit(i - start - 2);
      allKeyLengths |= bit;
      if (depth === 1) {
        keyStart = start;
        keyEnd = i;
        if (!isPlain) plainKeys = false;
        keyLengths |= bit;
      }
      if (text[i]! <= SPACE) i = skipSpace(text, i, end);
      if (text[i] !== COLON) throw invalid(i);
      i++;
      if (text[i]! <= SPACE) i = skipSpace(text, i, end);
      if (watch && text[i] !== LOWER_N && isKey(text, start, watch)) watched = true;
    }
    if (++values > maxValues)
      throw new GatewayError("json_too_large", { message: `The body has more than ${maxValues} values` });
    if (depth === 1) valueStart = i;

    const byte = i < end ? text[i]! : 0;
    if (byte === QUOTE) i = endOfString(text, i + 1, end);
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth === maxDepth)
        throw new GatewayError("json_too_deep", {
          message: `The body is nested more than ${maxDepth} levels deep`,
        });
      if (depth === 0 && byte === OPEN_BRACE) open = i;
      containers[depth++] = byte;
      lists++;
      if (depth > deepest) deepest = depth;
      i++;
      if (text[i]! <= SPACE) i = skipSpace(text, i, end);
      if (text[i] !== byte + TO_CLOSING) {
        expectKey = byte === OPEN_BRACE;
        continue;
      }
      if (--depth === 0) close = i;
      i++;
    } else i = endOfScalar(text, i, end, byte);

    // A value ends at i: so may the containers around it, until a comma asks for the next.
    for (;;) {
      if (depth === 0) {
        i = skipSpace(text, i, end);
        if (i !== end) throw invalid(i);
        latest.open = open;
        latest.close = open < 0 ? -1 : close;
        latest.count = count;
        latest.plainKeys = plainKeys;
        latest.keyLengths = keyLengths;
        latest.allKeyLengths = allKeyLengths;
        latest.depth = deepest;
        latest.weight = values + keys * (KEY_WEIGHT - 1) + lists * (CONTAINER_WEIGHT - 1);
        latest.watched = watched;
        return;
      }
      if (depth === 1 && open >= 0) {
        if (count === MAX_MEMBERS * 4) throw tooManyMembers();
        spans[count] = keyStart;
        spans[count + 1] = keyEnd;
        spans[count + 2] = valueStart;
        spans[count + 3] = i;
        count += 4;
      }
      if (text[i]! <= SPACE) i = skipSpace(text, i, end);
      const container = containers[depth - 1]!;
      const next = text[i];
      if (next === COMMA) {
        i++;
        if (text[i]! <= SPACE) i = skipSpace(text, i, end);
        expectKey = container === OPEN_BRACE;
        continue value;
      }
      if (next !== container + TO_CLOSING) throw invalid(i);
      if (--depth === 0) close = i;
      i++;
    }
  }
}

/** Whether the key that begins at `start` is this word. One spelled by escapes is taken for it, to be looked at. */
function isKey(text: Uint8Array, start: number, word: Uint8Array): boolean {
  for (let n = 0; n < word.length; n++) {
    const byte = text[start + 1 + n];
    if (byte === BACKSLASH) return true;
    if (byte !== word[n]) return false;
  }
  return text[start + 1 + word.length] === QUOTE;
}

function lengthBit(length: number): number {
  return 1 << (length & 31);
}

function skipSpace(text: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end) {
    const byte = text[i]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    i++;
  }
  return i;
}

/** Index behind the closing quote of a string whose first character is at `from`. */
function endOfString(text: Uint8Array, from: number, end: number): number {
  let i = from;
  for (;;) {
    // Four at a time: what a character costs is mostly the branch behind it.
    const last = end - 4;
    while (
      i <= last &&
      (IN_STRING[text[i]!]! &
        IN_STRING[text[i + 1]!]! &
        IN_STRING[text[i + 2]!]! &
        IN_STRING[text[i + 3]!]!) ===
        1
    )
      i += 4;
    while (IN_STRING[text[i]!] === 1) i++;
    if (i >= end) throw invalid(end);
    const byte = text[i]!;
    if (byte === QUOTE) return i + 1;
    if (byte !== BACKSLASH) throw invalid(i);
    i = endOfEscape(text, i);
  }
}

/** 1 for every byte that stands for itself in a string: one look-up for each instead of three comparisons. */
const IN_STRING = new Uint8Array(256).map((_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 0 : 1,
);

function endOfEscape(text: Uint8Array, at: number): number {
  const escaped = text[at + 1];
  switch (escaped) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u and four hex digits
      for (let i = at + 2; i < at + 6; i++) if (!isHex(text[i])) throw invalid(i);
      return at + 6;
    default:
      throw invalid(at + 1);
  }
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

function endOfScalar(text: Uint8Array, at: number, end: number, byte: number): number {
  switch (byte) {
    case 0x74:
      return endOfWord(text, at, TRUE);
    case 0x66:
      return endOfWord(text, at, FALSE);
    case 0x6e:
      return endOfWord(text, at, NULL);
    default:
      if (byte === MINUS || isDigit(byte)) return endOfNumber(text, at);
      throw invalid(Math.min(at, end));
  }
}

function endOfWord(text: Uint8Array, at: number, word: Uint8Array): number {
  for (let n = 0; n < word.length; n++) if (text[at + n] !== word[n]) throw invalid(at + n);
  return at + word.length;
}

function endOfNumber(text: Uint8Array, at: number): number {
  let i = text[at] === MINUS ? at + 1 : at;
  i = text[i] === ZERO ? i + 1 : endOfDigits(text, i);
  if (text[i] === DOT) i = endOfDigits(text, i + 1);
  if (text[i] === 0x65 || text[i] === 0x45) {
    i++;
    if (text[i] === PLUS || text[i] === MINUS) i++;
    i = endOfDigits(text, i);
  }
  return i;
}

/** One digit at least. */
function endOfDigits(text: Uint8Array, from: number): number {
  let i = from;
  while (isDigit(text[i])) i++;
  if (i === from) throw invalid(i);
  return i;
}

function tooManyMembers(): GatewayError {
  return new GatewayError("json_too_large", {
    message: `An object of the body has more than ${MAX_MEMBERS} members`,
  });
}

function invalid(at: number): GatewayError {
  return new GatewayError("invalid_json", { message: `The body is not valid JSON (byte ${at})` });
}

/** Names of the members in their order, repeated ones too. */
export function memberNames(text: Uint8Array, { spans, count }: JsonFields): string[] {
  const names: string[] = [];
  for (let n = 0; n < count; n += 4) names.push(decodeKey(text, spans[n]!, spans[n + 1]!));
  return names;
}

/** False where no key at any depth is this name of ASCII characters; mostly it is told without a search. */
export function mayHoldKey(text: Uint8Array, { allKeyLengths }: JsonFields, name: string): boolean {
  return (allKeyLengths & lengthBit(name.length)) !== 0 && asBuffer(text).includes(`"${name}"`, 0, "latin1");
}

/** The text of a member's value; of the last one where the name is repeated, as `JSON.parse` has it. */
export function memberText(text: Uint8Array, fields: JsonFields, name: string): Buffer | undefined {
  const at = findMember(text, fields, name);
  return at < 0 ? undefined : asBuffer(text).subarray(fields.spans[at + 2], fields.spans[at + 3]);
}

/** Index of the member's four numbers in `spans`, or -1. */
export function findMember(text: Uint8Array, fields: JsonFields, name: string): number {
  const { spans, count, plainKeys, keyLengths } = fields;
  if (!plainKeys) return findDecoded(text, fields, name);
  const { length } = name;
  if ((keyLengths & lengthBit(length)) === 0) return -1;
  for (let at = count - 4; at >= 0; at -= 4) {
    const start = spans[at]! + 1;
    if (spans[at + 1]! - 1 - start === length && isWord(text, start, name)) return at;
  }
  return -1;
}

function findDecoded(text: Uint8Array, { spans, count }: JsonFields, name: string): number {
  for (let at = count - 4; at >= 0; at -= 4)
    if (decodeKey(text, spans[at]!, spans[at + 1]!) === name) return at;
  return -1;
}

/** The member is exactly this text, in ASCII and spelled without escapes. */
export function isMemberText(text: Uint8Array, fields: JsonFields, name: string, word: string): boolean {
  const at = findMember(text, fields, name);
  if (at < 0) return false;
  const start = fields.spans[at + 2]! + 1;
  const end = fields.spans[at + 3]! - 1;
  return end - start === word.length && text[start - 1] === QUOTE && isWord(text, start, word);
}

/** Whether the bytes from `start` on are this word of ASCII characters. */
export function isWord(text: Uint8Array, start: number, word: string): boolean {
  for (let n = 0; n < word.length; n++) {
    const byte = text[start + n]!;
    if (byte > 0x7f || byte !== word.charCodeAt(n)) return false;
  }
  return true;
}

/** A name that two members have, if any. */
export function repeatedName(text: Uint8Array, fields: JsonFields): string | undefined {
  const { spans, count, plainKeys } = fields;
  if (!plainKeys || count > 4 * 32) {
    const seen = new Set<string>();
    return memberNames(text, fields).find((name) => seen.size === seen.add(name).size);
  }
  for (let a = 4; a < count; a += 4)
    for (let b = 0; b < a; b += 4)
      if (sameKey(text, spans[a]!, spans[a + 1]!, spans[b]!, spans[b + 1]!))
        return decodeKey(text, spans[a]!, spans[a + 1]!);
  return undefined;
}

function sameKey(text: Uint8Array, startA: number, endA: number, startB: number, endB: number): boolean {
  const length = endA - startA;
  if (length !== endB - startB) return false;
  for (let n = 1; n < length; n++) if (text[startA + n] !== text[startB + n]) return false;
  return true;
}

function decodeKey(text: Uint8Array, start: number, end: number): string {
  const raw = asBuffer(text).toString("utf8", start, end);
  return raw.includes("\\") ? (JSON.parse(raw) as string) : raw.slice(1, -1);
}

/** New JSON text by member name; undefined removes the member. */
export type JsonEdits = Readonly<Record<string, string | undefined>>;

/**
 * Sets or removes top-level members of a JSON object, each of them where a name is repeated. Every byte that is not part of a changed member stays as it
 * was: number spelling, escapes, order and white space.
 */
export function editJson(text: Uint8Array, fields: JsonFields, edits: JsonEdits): Buffer {
  const source = asBuffer(text);
  const pieces: Buffer[] = [];
  const { spans } = fields;
  const members = fields.count / 4;
  let kept = 0;
  let from = 0;
  const pending = new Set(Object.keys(edits));

  for (let n = 0; n < members; n++) {
    const name = decodeKey(text, spans[n * 4]!, spans[n * 4 + 1]!);
    if (!Object.hasOwn(edits, name)) {
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
      from = n + 1 < members ? spans[(n + 1) * 4]! : spans[n * 4 + 3]!;
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
