import { isJsonObject } from "gatewright";
import type { JsonObject } from "gatewright";
import { toCamelName } from "./google-json.ts";

/** Whole numbers that Google's JSON writes as text, since they are 64 bits wide. */
const COUNTS = new Set(["maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"]);
/** Keywords whose value is a list of schemas. */
const SCHEMA_LISTS = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
/** Keywords whose value is a schema. */
const SCHEMAS = new Set(["items", "additionalProperties", "not"]);
/** Keywords whose value holds schemas by name. */
const SCHEMA_MAPS = new Set(["properties", "$defs", "definitions"]);
/** Keywords of several words that a schema may also spell in snake case. */
const SPELLED_TWICE = new Set([...COUNTS, ...SCHEMA_LISTS, ...SCHEMAS, "propertyOrdering"]);

/**
 * Google's `Schema` (ai.google.dev/api/caching#Schema: a choice of OpenAPI 3.0, its types in capitals) as JSON Schema.
 * `propertyOrdering` becomes the order of the properties, which is the order in which models write them. A schema
 * that is JSON Schema already comes out as it was.
 */
export function toJsonSchema(schema: unknown): unknown {
  if (!isJsonObject(schema)) return schema;
  const given = new Map(Object.entries(schema).map(([name, value]) => [toKeyword(name), value]));
  const members = [...given].flatMap(([name, value]): [string, unknown][] => {
    if (name === "nullable" || name === "propertyOrdering") return [];
    if (name === "type") return toType(value);
    // `enum` says of a text that it is one of a list, which JSON Schema sees by the list.
    if (name === "format" && value === "enum") return [];
    if (name === "example") return [["examples", [value]]];
    if (name === "properties") return [[name, toProperties(value, given.get("propertyOrdering"))]];
    return [[name, toValue(name, value)]];
  });
  return given.get("nullable") === true ? withNull(members) : Object.fromEntries(members);
}

function toKeyword(name: string): string {
  const camel = toCamelName(name);
  return SPELLED_TWICE.has(camel) ? camel : name;
}

function toType(type: unknown): [string, unknown][] {
  if (type === "TYPE_UNSPECIFIED") return [];
  const toName = (name: unknown): unknown => (typeof name === "string" ? name.toLowerCase() : name);
  return [["type", Array.isArray(type) ? type.map(toName) : toName(type)]];
}

function toValue(keyword: string, value: unknown): unknown {
  if (SCHEMAS.has(keyword)) return toJsonSchema(value);
  if (SCHEMA_LISTS.has(keyword)) return Array.isArray(value) ? value.map(toJsonSchema) : value;
  if (SCHEMA_MAPS.has(keyword)) return toProperties(value, undefined);
  if (COUNTS.has(keyword) && typeof value === "string" && /^\d+$/.test(value)) return Number(value);
  return value;
}

function toProperties(properties: unknown, order: unknown): unknown {
  if (!isJsonObject(properties)) return properties;
  const names = Object.keys(properties);
  const first = Array.isArray(order) ? names.filter((name) => order.includes(name)) : [];
  if (Array.isArray(order)) first.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const rest = names.filter((name) => !first.includes(name));
  return Object.fromEntries([...first, ...rest].map((name) => [name, toJsonSchema(properties[name])]));
}

/** Lets the schema allow null as well, which takes a place in its types and in its list of values. */
function withNull(members: [string, unknown][]): JsonObject {
  const schema: JsonObject = Object.fromEntries(members);
  const { type, enum: values, anyOf } = schema;
  if (typeof type === "string") schema["type"] = [type, "null"];
  if (Array.isArray(values)) schema["enum"] = [...values, null];
  if (type === undefined && Array.isArray(anyOf)) schema["anyOf"] = [...anyOf, { type: "null" }];
  return schema;
}
