import { asObject, asObjects, asTexts, asText, asNumber, isObject, type JsonObject } from "./json-fields.ts";

/** Deeper levels of a recursive schema are left empty. */
const MAX_DEPTH = 12;

/** A value that fits a JSON Schema, as a model would fill it in. Knows the keywords that tools and formats use. */
export function exampleOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH) return null;
  if ("const" in schema) return schema.const;
  for (const list of [schema.enum, schema.examples]) {
    if (Array.isArray(list) && list.length > 0) return list[0];
  }
  if ("default" in schema) return schema.default;
  const reference = asText(schema.$ref);
  if (reference) return exampleOf(resolvePointer(root, reference), root, depth + 1);
  const [option] = [...asObjects(schema.anyOf), ...asObjects(schema.oneOf)];
  if (option) return exampleOf(option, root, depth + 1);
  return exampleOfType(schema, root, depth);
}

function exampleOfType(schema: JsonObject, root: unknown, depth: number): unknown {
  const type =
    asTexts(schema.type).find((name) => name !== "null") ?? (schema.properties ? "object" : "string");
  switch (type) {
    case "object":
      return Object.fromEntries(
        Object.entries(asObject(schema.properties)).map(([name, property]) => [
          name,
          exampleOf(property, root, depth + 1),
        ]),
      );
    case "array":
      return Array.from({ length: asNumber(schema.minItems) ?? 1 }, () =>
        exampleOf(schema.items, root, depth + 1),
      );
    case "integer":
    case "number":
      return asNumber(schema.minimum) ?? 1;
    case "boolean":
      return true;
    default:
      return "example".padEnd(asNumber(schema.minLength) ?? 0, "x");
  }
}

/** Follows `#/a/b`, the only form that structured outputs allow. */
function resolvePointer(root: unknown, reference: string): unknown {
  const steps = reference.split("/").slice(1);
  return steps.reduce<unknown>(
    (value, step) => asObject(value)[step.replaceAll("~1", "/").replaceAll("~0", "~")],
    root,
  );
}
