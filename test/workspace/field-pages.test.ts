/** Every field table in the sources stands on a page of the reference, row by row. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isJsonObject } from "gatewright";
import type { FieldTable, JsonObject } from "gatewright";
import { expect, it } from "vitest";
import { ROOT } from "../../scripts/workspace.ts";

const page = ["adapter-fields", "front-door-fields"]
  .map((name) => readFileSync(join(ROOT, `docs/reference/${name}.md`), "utf8"))
  .join("\n");

const files = ["adapters/src", "core/src", "plugins"].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /(?<!\.d)\.ts$/.test(file) && !/(?:^|\/)(?:node_modules|dist)\//.test(file))
    .map((file) => ({ name: `${folder}/${file}`, source: readFileSync(join(ROOT, folder, file), "utf8") })),
);
const DECLARED =
  /^(export )?const (\w+): (?:FieldTable|FieldChanges|Readonly<Record<string, FieldTable>>) =/gm;
const declared = files.flatMap(({ name, source }) =>
  [...source.matchAll(DECLARED)].map((match) => ({ name, source, exported: match[1], table: match[2]! })),
);

it("finds the tables", () => {
  expect(declared.length).toBeGreaterThan(30);
});

it.each(declared)("shows every row of $table of $name", async ({ name, source, exported, table }) => {
  if (!exported) {
    // Nobody can import it: its field names as the source has them.
    const [text] = source.slice(source.indexOf(`const ${table}: `)).split(/\n};| };\n/);
    const fields = [...text!.matchAll(text!.includes("\n") ? /^ {2}(\w+): /gm : /[{,] (\w+): /g)];
    expect(fields).not.toEqual([]);
    for (const [, field] of fields) expect(page).toContain(`${field}\` | `);
    return;
  }
  const module = (await import(pathToFileURL(join(ROOT, name)).href)) as Record<string, JsonObject>;
  const rows = rowsOf(module[table]!);
  expect(rows).not.toEqual([]);
  for (const [field, { fate, note }] of rows) {
    const row = `${field}\` | ${fate} | ${note.replaceAll("|", "\\|")} |`;
    expect(page.includes(`| \`${row}`) || page.includes(`.${row}`), row).toBe(true);
  }
});

/** Rows of a table, or of each table of several. */
function rowsOf(tables: JsonObject): [string, FieldTable[string]][] {
  return Object.entries(tables).flatMap(([name, value]): [string, FieldTable[string]][] => {
    if (!isJsonObject(value)) return [];
    return typeof value["fate"] === "string"
      ? [[name, value as unknown as FieldTable[string]]]
      : rowsOf(value);
  });
}
