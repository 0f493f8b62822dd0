import { isUtf8 } from "node:buffer";
import { asBuffer } from "../as-buffer.ts";
import { GatewayError } from "../errors.ts";
import { isEmpty } from "../field-table.ts";
import type { JsonObject } from "../operation.ts";
import { stringifyJson } from "./exact-json.ts";
import { editJson, mayHoldKey, repeatedName, type JsonBounds, type JsonEdits } from "./json-text.ts";
import {
  JsonTextView,
  toPlainNumber,
  typeOfValue,
  viewOfMember,
  type JsonType,
  type JsonView,
} from "./json-view.ts";
import type { RequestBody } from "./request-body.ts";

/** A JSON body: the bytes as they came, and the changes since. It is parsed only when somebody looks into it. */
export class JsonBody implements RequestBody {
  readonly kind = "json";
  readonly replayable = true;
  readonly #source: JsonTextView;
  /** Members set since, undefined where removed. */
  readonly #changes: JsonObject | undefined;
  #json: JsonObject | undefined;
  #bytes: Uint8Array | undefined;

  constructor(source: JsonTextView, changes?: JsonObject) {
    this.#source = source;
    this.#changes = changes;
  }

  get json(): JsonObject {
    return (this.#json ??= this.#changes
      ? applyChanges(this.#source.json, this.#changes)
      : this.#source.json);
  }

  get bytes(): Uint8Array {
    return (this.#bytes ??= this.#changes
      ? editJson(this.#source.text, this.#source.fields, toEdits(this.#changes))
      : this.#source.text);
  }

  get(name: string): unknown {
    const changes = this.#changes;
    return changes && Object.hasOwn(changes, name) ? toPlainNumber(changes[name]) : this.#source.get(name);
  }

  typeOf(name: string): JsonType {
    const changes = this.#changes;
    return changes && Object.hasOwn(changes, name) ? typeOfValue(changes[name]) : this.#source.typeOf(name);
  }

  isEmpty(name: string): boolean {
    const changes = this.#changes;
    return changes && Object.hasOwn(changes, name) ? isEmpty(changes[name]) : this.#source.isEmpty(name);
  }

  view(name: string): JsonView | undefined {
    const changes = this.#changes;
    return changes && Object.hasOwn(changes, name) ? viewOfMember(changes[name]) : this.#source.view(name);
  }

  mayHoldKey(name: string): boolean {
    if (this.#changes) return asBuffer(this.bytes).includes(`"${name}"`);
    return mayHoldKey(this.#source.text, this.#source.fields, name);
  }

  mayHoldText(start: string): boolean {
    return asBuffer(this.bytes).includes(`"${start}`, 0, "latin1");
  }

  with(fields: JsonObject): JsonBody {
    return new JsonBody(this.#source, { ...this.#changes, ...fields });
  }
}

function applyChanges(json: JsonObject, changes: JsonObject): JsonObject {
  const changed = { ...json, ...changes };
  for (const name of Object.keys(changes)) if (changes[name] === undefined) delete changed[name];
  return changed;
}

function toEdits(changes: JsonObject): JsonEdits {
  const edits: Record<string, string | undefined> = {};
  for (const name of Object.keys(changes))
    edits[name] = changes[name] === undefined ? undefined : stringifyJson(changes[name]);
  return edits;
}

/**
 * Reads a JSON object. Refused with 400: text that is not UTF-8 JSON (RFC 8259, section 8.1), not an object, nested
 * or populated beyond the bounds, or with a member given twice at the top level, since two parsers could read two
 * different requests out of it. With `listMember` a list is taken as well, as that member of an object.
 */
export function parseJsonBody(bytes: Uint8Array, bounds: JsonBounds, listMember?: string): JsonBody {
  if (bytes.length === 0) throw invalid("The body is empty; expected a JSON object");
  if (!isUtf8(bytes)) throw invalid("The body is not UTF-8");
  const source = JsonTextView.read(bytes, bounds);
  if (listMember !== undefined && Array.isArray(source.json))
    return parseJsonBody(Buffer.concat([Buffer.from(`{"${listMember}":`), bytes, CLOSE_BRACE]), bounds);
  if (source.fields.open < 0) throw invalid(`Expected a JSON object, got ${describe(source.json)}`);
  const twice = repeatedName(bytes, source.fields);
  if (twice !== undefined)
    throw new GatewayError("duplicate_field", { param: twice, message: `\`${twice}\` is given twice` });
  return new JsonBody(source);
}

const CLOSE_BRACE = Buffer.from("}");

function describe(json: unknown): string {
  if (json === null) return "null";
  return Array.isArray(json) ? "an array" : `a ${typeof json}`;
}

function invalid(message: string): GatewayError {
  return new GatewayError("invalid_json", { message });
}
