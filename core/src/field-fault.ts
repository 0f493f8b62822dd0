import { UnsupportedField } from "./adapter.ts";
import { typeOfValue, type JsonType, type JsonView } from "./body/json-view.ts";
import { GatewayError } from "./errors.ts";
import { isEmpty } from "./field-table.ts";
import type { FieldFault } from "./operation.ts";

/** What is wrong with a field of a request, in the same words everywhere: what was expected, and what came. */

const WORDS: Readonly<Record<JsonType, string>> = {
  missing: "nothing",
  null: "null",
  boolean: "true or false",
  number: "a number",
  string: "a text",
  array: "a list",
  object: "an object",
};

/**
 * What came, for a message: numbers, `true` and `false` as they are. Of texts, lists and objects the kind alone, since any
 * field may hold a prompt or a key.
 */
export function describeGiven(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const kind = WORDS[typeOfValue(value)];
  return isEmpty(value) ? kind.replace(/^an? /, "an empty ") : kind;
}

/** `expected` ends the sentence "it must be …". */
export function missingField(param: string, expected: string): FieldFault {
  return { param, missing: true, message: `\`${param}\` is required: ${expected}` };
}

/** `expected` ends the sentence "it must be …"; of `given` no more is told than `describeGiven` does. */
export function wrongField(param: string, expected: string, given: unknown): FieldFault {
  return { param, message: `\`${param}\` must be ${expected}, got ${describeGiven(given)}` };
}

/** The same for mappings to throw. */
export function wrongShape(field: string, expected: string, given: unknown): UnsupportedField {
  return new UnsupportedField(field, wrongField(field, expected, given).message);
}

/** A fault unless the member is there and one of these types. */
export function requireType(
  body: JsonView,
  name: string,
  types: readonly JsonType[],
  expected: string,
): FieldFault | undefined {
  const type = body.typeOf(name);
  if (types.includes(type)) return undefined;
  return type === "missing" || type === "null"
    ? missingField(name, expected)
    : wrongField(name, expected, body.get(name));
}

/** The same for a member that must hold something. */
export function requireContent(
  body: JsonView,
  name: string,
  types: readonly JsonType[],
  expected: string,
): FieldFault | undefined {
  const fault = requireType(body, name, types, expected);
  if (fault || !body.isEmpty(name)) return fault;
  return wrongField(name, `${expected}, not empty`, body.get(name));
}

/** A fault where the member is there, and not null, and no whole number within the bounds, both of which are allowed. */
export function checkWhole(
  body: JsonView,
  name: string,
  least: number,
  most = Infinity,
): FieldFault | undefined {
  const type = body.typeOf(name);
  if (type === "missing" || type === "null") return undefined;
  const value = body.get(name);
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return undefined;
  return wrongField(name, wholeNumber(least, most), value);
}

/** The same for a parameter of the query, undefined where it is not given. Throws 400. */
export function wholeOfQuery(
  query: URLSearchParams,
  name: string,
  least: number,
  most = Infinity,
): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : text;
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new GatewayError("invalid_request", wrongField(name, wholeNumber(least, most), value));
}

/** Such a number in words. */
export function wholeNumber(least: number, most = Infinity): string {
  return most === Infinity ? `a whole number of ${least} or more` : `a whole number from ${least} to ${most}`;
}
