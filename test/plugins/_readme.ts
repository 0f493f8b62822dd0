import { readFileSync } from "node:fs";
import type { Plugin } from "gatewright";

/** Name and default of an option; the default as TypeScript would write it, `required` or empty where there is none. */
export type OptionRow = [name: string, fallback: string];

/** The rows of the options table in a plugin's README. */
export function readOptionRows(folder: string): OptionRow[] {
  const file = new URL(`../../plugins/${folder}/README.md`, import.meta.url);
  const section = /^## Options\n(.*?)^## /ms.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  const rows = section.matchAll(/^\| `([\w.[\]]+)` \|[^|\n]*\| *([^|\n]*?) *\|/gm);
  return Array.from(rows, ([, name, fallback]) => [name!, fallback!.replace(/^`(.*)`$/, "$1")]);
}

/** The part of a valibot schema that tells its fields. */
interface Schema {
  readonly type: string;
  readonly entries?: Record<string, Schema>;
  readonly options?: readonly Schema[];
  readonly wrapped?: Schema;
  readonly item?: Schema;
  readonly default?: unknown;
}

/** The same from the schema of the options. Fields of nested objects are named `outer.inner` and `list[].inner`. */
export function readSchemaRows(plugin: Plugin): OptionRow[] {
  const rows = fieldsOf(plugin.definition.options as unknown as Schema, "");
  return rows.filter(([name], index) => rows.findIndex((row) => row[0] === name) === index);
}

function fieldsOf(schema: Schema, prefix: string): OptionRow[] {
  if (schema.type === "variant") return schema.options!.flatMap((option) => fieldsOf(option, prefix));
  return Object.entries(schema.entries ?? {}).flatMap(([name, field]) => {
    const optional = field.type === "optional";
    const inner = optional ? field.wrapped! : field;
    const nested =
      inner.type === "array"
        ? fieldsOf(inner.item!, `${prefix}${name}[].`)
        : fieldsOf({ ...inner, type: "" }, `${prefix}${name}.`);
    const row: OptionRow = [prefix + name, optional ? printed(field.default) : "required"];
    return [...(row[1] === "{}" && nested.length > 0 ? [] : [row]), ...nested];
  });
}

function printed(fallback: unknown): string {
  if (typeof fallback === "number") return fallback.toLocaleString("en-US");
  return fallback === undefined ? "" : JSON.stringify(fallback);
}
