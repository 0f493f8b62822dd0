import { isJsonObject, reportRest, sortFields, wrongShape } from "gatewright";
import type { FieldTable, JsonObject, SortedFields } from "gatewright";

/**
 * Parts the members of one message by their fates. Google's parser takes each member by its camel-case and by its
 * snake-case name (protobuf.dev, ProtoJSON), and its own examples use both: known members are read by either.
 */
export function readMessage(
  value: unknown,
  table: FieldTable,
  dropped: Set<string>,
  at: string,
): SortedFields {
  return sortFields(withCamelNames(toObject(value, at), table), table, dropped, at === "" ? "" : `${at}.`);
}

/** The same where nothing but known members can be carried: the others are reported. */
export function readKnown(value: unknown, table: FieldTable, dropped: Set<string>, at: string): JsonObject {
  const { forwarded, translated } = readMessage(value, table, dropped, at);
  reportRest(dropped, forwarded, `${at}.`);
  return translated;
}

function withCamelNames(object: JsonObject, table: FieldTable): JsonObject {
  const names = Object.keys(object);
  if (!names.some((name) => name.includes("_"))) return object;
  return Object.fromEntries(
    names.map((name) => {
      const camel = toCamelName(name);
      return [Object.hasOwn(table, camel) ? camel : name, object[name]];
    }),
  );
}

/** `max_output_tokens` to `maxOutputTokens`. */
export function toCamelName(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

export function toObject(value: unknown, at: string): JsonObject {
  if (!isJsonObject(value)) throw wrongShape(at, "an object", value);
  return value;
}

export function toList(value: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongShape(at, "a list", value);
  return value;
}

export function toText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}
