import type { Adapter, FieldTable } from "gatewright";

/** What a file of `adapters/src` exports. */
export interface AdapterModule {
  readonly default: Adapter & { readonly fields?: FieldTables };
  readonly fields?: FieldTables;
}
type FieldTables = Readonly<Record<string, FieldTable>>;

/** The parts of the page of adapters: what each serves, then what becomes of request fields. */
export function renderAdapterParts(modules: readonly AdapterModule[]): string[] {
  const rows = modules.map(({ default: adapter }) => renderRow(adapter));
  return [
    "# Adapters",
    "The dialects that backends may speak. Options of each: [config](config.md#backends). Guide: [writing an " +
      "adapter](../writing-an-adapter.md).",
    "An operation that an adapter lacks is a 501 for its models, unless another operation stands in for it, as `chat` " +
      "does for other front doors.",
    ["| adapter | `baseURL` | operations | models listed |", "| --- | --- | --- | --- |", ...rows].join("\n"),
    "## Fields",
    "What becomes of request fields: **forward** as they are, **translate** to what the note says, **drop** and report in " +
      "`x-gatewright-dropped`, or **refuse** with a 400 that names field and backend. A field without a row is forwarded; " +
      "an adapter without a table passes requests as they came, but for the model's name.",
    ...renderTables(modules),
  ];
}

function renderRow({ name, baseURL, operations, models }: Adapter): string {
  const own = typeof baseURL === "function" ? "from its options" : baseURL ? `\`${baseURL}\`` : "required";
  return `| \`${name}\` | ${own} | ${Object.keys(operations).join(", ")} | ${models ? "yes" : "no"} |`;
}

/** One table for all adapters that have the same. */
function renderTables(modules: readonly AdapterModule[]): string[] {
  const byTable = new Map<string, { operation: string; names: string[] }>();
  for (const { default: adapter, fields = adapter.fields ?? {} } of modules) {
    for (const [operation, table] of Object.entries(fields)) {
      const text = renderTable(table);
      const key = `${operation}\n${text}`;
      const entry = byTable.get(key) ?? { operation, names: [] };
      entry.names.push(`\`${adapter.name}\``);
      byTable.set(key, entry);
    }
  }
  return [...byTable].flatMap(([key, { operation, names }]) => [
    `### ${operation}: ${names.join(", ")}`,
    key.slice(operation.length + 1),
  ]);
}

function renderTable(table: FieldTable): string {
  const rows = Object.entries(table).map(
    ([field, { fate, note }]) => `| \`${field}\` | ${fate} | ${note.replaceAll("|", "\\|")} |`,
  );
  return ["| field | fate | note |", "| --- | --- | --- |", ...rows].join("\n");
}
