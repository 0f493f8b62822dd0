import type { JsonObject } from "../operation.ts";
import { asBuffer } from "../as-buffer.ts";
import { findMember, isWord, scanJson, type JsonBounds, type JsonFields } from "./json-text.ts";

/** What a JSON value is; `missing` for a member that is not there. */
export type JsonType = "missing" | "null" | "boolean" | "number" | "string" | "array" | "object";

/** A JSON object whose members can be looked at one by one, without parsing the others. */
export interface JsonView {
  /** The member's value, parsed alone; undefined when missing. */
  get(name: string): unknown;
  /** What the member is, without parsing it. */
  typeOf(name: string): JsonType;
  /** All of it, parsed on first use. Shared: never change it. */
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
    return (this.#json ??= JSON.parse(asBuffer(this.text).toString("utf8")) as JsonObject);
  }

  get(name: string): unknown {
    if (name === "model") return (this.#model ??= this.#read(name));
    return this.#read(name);
  }

  #read(name: string): unknown {
    const { spans } = this.fields;
    const at = findMember(this.text, this.fields, name);
    if (at < 0) return undefined;
    const value = asBuffer(this.text).toString("utf8", spans[at + 2], spans[at + 3]);
    // Most members that are asked for are words, such as the model's name: nothing in them to parse.
    if (value.startsWith('"') && !value.includes("\\")) return value.slice(1, -1);
    return JSON.parse(value) as unknown;
  }

  /** The member is exactly this text, spelled without escapes. */
  isText(name: string, text: string): boolean {
    const at = findMember(this.text, this.fields, name);
    if (at < 0) return false;
    const { spans } = this.fields;
    const start = spans[at + 2]!;
    return (
      this.text[start] === 0x22 &&
      this.text[spans[at + 3]! - 1] === 0x22 &&
      isWord(this.text, start + 1, spans[at + 3]! - 1, text)
    );
  }

  typeOf(name: string): JsonType {
    const at = findMember(this.text, this.fields, name);
    return at < 0 ? "missing" : typeOfByte(this.text[this.fields.spans[at + 2]!]!);
  }
}

/** A view of a value that is parsed already. */
export function viewOf(json: JsonObject): JsonView {
  return {
    json,
    get: (name) => (Object.hasOwn(json, name) ? json[name] : undefined),
    typeOf: (name) => (Object.hasOwn(json, name) ? typeOfValue(json[name]) : "missing"),
  };
}

export function typeOfValue(value: unknown): JsonType {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : (typeof value as JsonType);
}

/** The first byte of a JSON value tells its type. */
function typeOfByte(byte: number): JsonType {
  switch (byte) {
    case 0x22:
      return "string";
    case 0x7b:
      return "object";
    case 0x5b:
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
