import { asBuffer } from "../as-buffer.ts";
import { isUtf8 } from "node:buffer";
import { GatewayError } from "../errors.ts";
import type { JsonObject } from "../operation.ts";
import type { RequestBody } from "./request-body.ts";
import {
  editJson,
  memberNames,
  scanJson,
  type JsonBounds,
  type JsonEdits,
  type JsonFields,
} from "./json-text.ts";

/** A JSON body: the bytes as they came, their parse, and the changes since. */
export class JsonBody implements RequestBody {
  readonly kind = "json";
  readonly replayable = true;
  readonly json: JsonObject;
  readonly #source: Uint8Array;
  readonly #fields: JsonFields;
  readonly #edits: JsonEdits | undefined;
  #bytes: Uint8Array | undefined;

  constructor(source: Uint8Array, fields: JsonFields, json: JsonObject, edits?: JsonEdits) {
    this.#source = source;
    this.#fields = fields;
    this.json = json;
    this.#edits = edits;
    if (!edits) this.#bytes = source;
  }

  get bytes(): Uint8Array {
    return (this.#bytes ??= editJson(this.#source, this.#fields, this.#edits!));
  }

  with(fields: JsonObject): JsonBody {
    const json = { ...this.json, ...fields };
    const edits: Record<string, string | undefined> = { ...this.#edits };
    for (const name of Object.keys(fields)) {
      const value = fields[name];
      edits[name] = value === undefined ? undefined : JSON.stringify(value);
      if (value === undefined) delete json[name];
    }
    return new JsonBody(this.#source, this.#fields, json, edits);
  }
}

/**
 * Reads a JSON object. Refused with 400: text that is not UTF-8 JSON (RFC 8259, section 8.1), not an object, nested
 * or populated beyond the bounds, or with a member given twice at the top level, since two parsers could read two
 * different requests out of it.
 */
export function parseJsonBody(bytes: Uint8Array, bounds: JsonBounds): JsonBody {
  if (bytes.length === 0) throw invalid("The body is empty; expected a JSON object");
  if (!isUtf8(bytes)) throw invalid("The body is not UTF-8");
  const fields = scanJson(bytes, bounds);
  let json: unknown;
  try {
    json = JSON.parse(asBuffer(bytes).toString("utf8"));
  } catch {
    throw invalid("The body is not valid JSON");
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw invalid(`Expected a JSON object, got ${describe(json)}`);
  // A parse keeps one of two members with the same name: fewer keys than members means that one was given twice.
  if (Object.keys(json).length !== fields.spans.length / 4) refuseDuplicates(memberNames(bytes, fields));
  return new JsonBody(bytes, fields, json as JsonObject);
}

function refuseDuplicates(names: readonly string[]): void {
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return;
  throw new GatewayError("duplicate_field", { param: twice, message: `\`${twice}\` is given twice` });
}

function describe(json: unknown): string {
  if (json === null) return "null";
  return Array.isArray(json) ? "an array" : `a ${typeof json}`;
}

function invalid(message: string): GatewayError {
  return new GatewayError("invalid_json", { message });
}
