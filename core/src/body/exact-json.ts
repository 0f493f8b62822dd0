import { randomBytes } from "node:crypto";

/**
 * JSON whose integers stay what they are, digit by digit. JavaScript's numbers are exact up to 2^53 (RFC 8259, section
 * 6), ids of 64 bits are not, and a parser tells nothing of the digits that it read. So an integer that a number cannot
 * hold is an opaque string in the tree: it can be spread, cloned, compared, and written into a text inside of the tree
 * as any other value. When the tree is written, the digits stand there again.
 *
 * What marks such strings is random for each process: no client can make a number of its text. It never leaves the
 * process where `stringifyJson` writes.
 */

/** A noncharacter (Unicode, section 23.7) before it: nearly every text is told to hold none without being read. */
const OPEN = `\uFDD0${randomBytes(12).toString("hex")}:`;
const CLOSE = "\uFDD1";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;

/** An integer in a tree that `parseJson` made, too long for a number. */
export function isLongInteger(value: unknown): value is string {
  return typeof value === "string" && value.startsWith(OPEN);
}

/** The nearest number, for one that is to be counted or compared. */
export function toNearestNumber(long: string): number {
  return Number(long.slice(OPEN.length, -CLOSE.length));
}

/**
 * `JSON.parse`, except that integers which a number would change or spell otherwise are opaque strings. Fractions and
 * exponents are numbers as ever.
 */
export function parseJson(text: string): unknown {
  return JSON.parse(mayHoldLongInteger(text) ? markLongIntegers(text) : text);
}

/** `JSON.stringify` of a tree, or of what was made of one that `parseJson` gave. */
export function stringifyJson(value: unknown): string {
  return writeLongIntegers(JSON.stringify(value));
}

/** Puts the digits into JSON text that `JSON.stringify` made of such a tree. */
export function writeLongIntegers(text: string): string {
  // No text at all is what it makes of undefined.
  let open = text?.indexOf(OPEN) ?? -1;
  if (open < 0) return text;
  let written = "";
  let kept = 0;
  while (open >= 0) {
    const from = (DIGITS.lastIndex = open + OPEN.length);
    const digits = DIGITS.exec(text)?.[1];
    // Of one that somebody cut in two, what is left is a part of a text.
    const { start, end } =
      digits === undefined ? { start: open, end: from } : toSpan(text, open, DIGITS.lastIndex);
    written += text.slice(kept, start) + (digits ?? "");
    kept = end;
    open = text.indexOf(OPEN, end);
  }
  return written + text.slice(kept);
}

const DIGITS = new RegExp(`(-?\\d+)${CLOSE}`, "y");

/**
 * What the digits stand in place of. Of a value also its quotes, each with the backslashes of texts inside of texts; the
 * name of a member, and a part of a longer text, keep what is around them.
 */
function toSpan(text: string, open: number, end: number): { start: number; end: number } {
  let start = open - 1;
  if (text.charCodeAt(start) !== QUOTE) return { start: open, end };
  while (text.charCodeAt(start - 1) === BACKSLASH) start--;
  const quote = text.slice(start, open);
  const behind = end + quote.length;
  const isValue = text.startsWith(quote, end) && text.charCodeAt(behind) !== COLON;
  return isValue ? { start, end: behind } : { start: open, end };
}

/** Fewer digits are always a safe integer. */
const MIN_DIGITS = 16;

/**
 * Whether there are so many digits in a row where a number may stand. Of a run of sixteen one stands at every sixteenth
 * place: no other is looked at, so this takes next to nothing beside the parse.
 */
function mayHoldLongInteger(text: string): boolean {
  for (let at = MIN_DIGITS - 1; at < text.length; at += MIN_DIGITS) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let start = at;
    while (isDigit(text.charCodeAt(start - 1))) start--;
    while (isDigit(text.charCodeAt(at + 1))) at++;
    if (at - start >= MIN_DIGITS - 1 && mayPrecedeNumber(text.charCodeAt(start - 1))) return true;
  }
  return false;
}

/** Not so in a fraction, an exponent, or most of the names and ids that hold digits. */
function mayPrecedeNumber(code: number): boolean {
  switch (code) {
    case COLON:
    case COMMA:
    case OPEN_BRACKET:
    case MINUS:
      return true;
    default:
      // White space, or the beginning of the text.
      return !(code > 0x20);
  }
}

const LONG_INTEGER = /^-?[1-9]\d{15,}$/;
const COLON_NEXT = /[ \t\n\r]*:/y;

/** What is not JSON is none afterwards: only where a number may stand a string may stand in its place. */
function markLongIntegers(text: string): string {
  let marked = "";
  let kept = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
      continue;
    }
    if (code !== MINUS && !isDigit(code)) {
      at++;
      continue;
    }
    const end = endOfNumber(text, at + 1);
    const digits = text.slice(at, end);
    if (isLost(digits) && !isName(text, end)) {
      marked += `${text.slice(kept, at)}"${OPEN}${digits}${CLOSE}"`;
      kept = end;
    }
    at = end;
  }
  return marked + text.slice(kept);
}

/** As a number it would be another, or spelled in another way. */
function isLost(digits: string): boolean {
  return LONG_INTEGER.test(digits) && String(Number(digits)) !== digits;
}

/** A string, unlike a number, may be the name of a member. */
function isName(text: string, end: number): boolean {
  COLON_NEXT.lastIndex = end;
  return COLON_NEXT.test(text);
}

/** Index behind the closing quote, or the end of a text that has none. */
function endOfString(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** Behind everything that numbers are made of, in whatever order. */
function endOfNumber(text: string, from: number): number {
  let end = from;
  while (isDigit(text.charCodeAt(end)) || "+-.eE".includes(text.charAt(end) || " ")) end++;
  return end;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
