import type { JsonObject } from "../operation.ts";
import { asBuffer } from "../as-buffer.ts";
import { isEmpty } from "../field-table.ts";
import { isLongInteger, parseJson, toNearestNumber } from "./exact-json.ts";
import { findMember, isMemberText, isWord, scanJson, type JsonBounds, type JsonFields } from "./json-text.ts";

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/** What a JSON value is; `missing` for a member that is not there. */
export type JsonType = "missing" | "null" | "boolean" | "number" | "string" | "array" | "object";

/** A JSON object whose members can be looked at one by one, without parsing the others. */
export interface JsonView {
  /**
   * The member's value, parsed alone; undefined when missing. A number is a number, the nearest there is; what is inside
   * of lists and objects is as in `json`.
   */
  get(name: string): unknown;
  /** What the member is, without parsing it. */
  typeOf(name: string): JsonType;
  /** The member is `""`, `[]` or `{}`, which is seen without parsing it. */
  isEmpty(name: string): boolean;
  /** A view of a member that is an object; undefined when it is anything else. */
  view(name: string): JsonView | undefined;
  /**
   * All of it, parsed on first use by `parseJson`: an integer too long for a number is an opaque string, of which
   * `stringifyJson`, and whatever takes the tree back, makes the digits again. Shared: never change it.
   */
  readonly json: JsonObject;
}

/** A view of JSON text that was found valid. */
export class JsonTextView implements JsonView {
  readonly text: Uint8Array;
  readonly fields: JsonFields;
  #json: JsonObject | undefined;
  /** Asked for several times on the way of every request. */
  #model: unknown;

  constructor(text: Uint8Array, fields: JsonFields) {
    this.text = text;
    this.fields = fields;
  }

  /** Throws as `scanJson` does. */
  static read(text: Uint8Array, bounds?: JsonBounds): JsonTextView {
    return new JsonTextView(text, scanJson(text, bounds));
  }

  get json(): JsonObject {
    if (this.#json) return this.#json;
    const { open, close } = this.fields;
    const text = asBuffer(this.text);
    // A view of a member reads that member alone.
    return (this.#json = parseJson(
      open < 0 ? text.toString("utf8") : text.toString("utf8", open, close + 1),
    ) as JsonObject);
  }

  get(name: string): unknown {
    if (name === "model") return (this.#model ??= this.#readModel());
    const at = findMember(this.text, this.fields, name);
    return at < 0 ? undefined : readValue(this.text, this.fields.spans[at + 2]!, this.fields.spans[at + 3]!);
  }

  #readModel(): unknown {
    const at = findMember(this.text, this.fields, "model");
    if (at < 0) return undefined;
    const start = this.fields.spans[at + 2]!;
    const end = this.fields.spans[at + 3]!;
    const length = end - start - 2;
    const known = MODELS[length & (MODELS.length - 1)]!;
    if (known.length === length && this.text[start] === QUOTE && isWord(this.text, start + 1, known))
      return known;
    const model = readValue(this.text, start, end);
    if (typeof model === "string" && model.length === length) MODELS[length & (MODELS.length - 1)] = model;
    return model;
  }

  view(name: string): JsonView | undefined {
    const at = findMember(this.text, this.fields, name);
    if (at < 0) return undefined;
    const { spans } = this.fields;
    const start = spans[at + 2]!;
    if (this.text[start] !== OPEN_BRACE) return undefined;
    return new JsonTextView(this.text, scanJson(this.text, undefined, start, spans[at + 3]));
  }

  /** The member is exactly this text, spelled without escapes. */
  isText(name: string, text: string): boolean {
    return isMemberText(this.text, this.fields, name, text);
  }

  typeOf(name: string): JsonType {
    const at = findMember(this.text, this.fields, name);
    return at < 0 ? "missing" : typeOfByte(this.text[this.fields.spans[at + 2]!]!);
  }

  isEmpty(name: string): boolean {
    const at = findMember(this.text, this.fields, name);
    if (at < 0) return false;
    const { spans } = this.fields;
    const [start, end] = [spans[at + 2]!, spans[at + 3]!];
    const first = this.text[start]!;
    if (first === QUOTE) return end - start === 2;
    if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return false;
    let inner = start + 1;
    // White space (RFC 8259, section 2) is all below or at the blank.
    while (this.text[inner]! <= 0x20) inner++;
    return inner === end - 1;
  }
}

/** Models named before, by the last bits of their length: the few that are asked for need no new text each time. */
const MODELS: string[] = Array.from({ length: 32 }, () => "");

/**
 * One value. What needs no parser is read without one: its code is large, and fetching it for a word or a count costs
 * more than the rest of a request's accounting.
 */
function readValue(text: Uint8Array, start: number, end: number): unknown {
  const first = text[start]!;
  if (first >= 0x30 && first <= 0x39 && end - start <= MAX_SAFE_DIGITS) {
    const whole = readWhole(text, start, end);
    if (whole >= 0) return whole;
  }
  const value = asBuffer(text).toString("utf8", start, end);
  if (first === QUOTE && !value.includes("\\")) return value.slice(1, -1);
  switch (value) {
    case "true":
      return true;
    case "false":
      return false;
    case "null":
      return null;
    default:
      return first === OPEN_BRACE || first === OPEN_BRACKET
        ? parseJson(value)
        : (JSON.parse(value) as unknown);
  }
}

/** So many digits are always a safe integer. */
const MAX_SAFE_DIGITS = 15;

/** A number of digits alone, or -1. */
function readWhole(text: Uint8Array, start: number, end: number): number {
  let whole = 0;
  for (let i = start; i < end; i++) {
    const digit = text[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    whole = whole * 10 + digit;
  }
  return whole;
}

/** A view of a value that is parsed already. */
export function viewOf(json: JsonObject): JsonView {
  return {
    json,
    view: (name) => viewOfMember(json[name]),
    get: (name) => (Object.hasOwn(json, name) ? toPlainNumber(json[name]) : undefined),
    typeOf: (name) => (Object.hasOwn(json, name) ? typeOfValue(json[name]) : "missing"),
    isEmpty: (name) => Object.hasOwn(json, name) && isEmpty(json[name]),
  };
}

/** A view of an object; undefined for anything else. */
export function viewOfMember(value: unknown): JsonView | undefined {
  return typeOfValue(value) === "object" ? viewOf(value as JsonObject) : undefined;
}

/** What a view gives for a member. */
export function toPlainNumber(value: unknown): unknown {
  return isLongInteger(value) ? toNearestNumber(value) : value;
}

export function typeOfValue(value: unknown): JsonType {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (isLongInteger(value)) return "number";
  return Array.isArray(value) ? "array" : (typeof value as JsonType);
}

/** The first byte of a JSON value tells its type. */
function typeOfByte(byte: number): JsonType {
  switch (byte) {
    case QUOTE:
      return "string";
    case OPEN_BRACE:
      return "object";
    case OPEN_BRACKET:
      return "array";
    case 0x74:
    case 0x66:
      return "boolean";
    case 0x6e:
      return "null";
    default:
      return "number";
  }
}
