import type { FieldTable } from "gatewright";
import type { NestedTable } from "./nested-tables.ts";

/** Fates of the fields of one operation's requests, as adapters or a front door state them. */
export interface OperationTable {
  readonly of: readonly string[];
  readonly operation: string;
  readonly table: FieldTable;
}

const OTHERS: Readonly<Record<NestedTable["others"], string>> = {
  forward: "Members without a row are forwarded.",
  drop: "Members without a row are left out and reported.",
  refuse: "Members without a row are refused.",
};

/** One part for each operation of each speaker, what stands inside of its fields behind it. */
export function renderFates(tables: readonly OperationTable[], nested: readonly NestedTable[]): string[] {
  const unplaced = new Set(nested);
  const parts = tables.flatMap(({ of, operation, table }) => {
    const inside = nested.filter((one) => one.operation === operation && one.of[0] === of[0]);
    for (const one of inside) unplaced.delete(one);
    return [`## ${operation}: ${named(of)}`, renderTable(table), ...inside.flatMap(renderNested)];
  });
  const [lost] = unplaced;
  if (lost) throw new Error(`No table of ${lost.of[0]} for ${lost.operation} stands above ${lost.at}`);
  return parts;
}

function renderNested({ of, operation, at, table, others }: NestedTable): string[] {
  const [place, type] = at.split(" of type ");
  const suffix = type === undefined ? "" : ` of type \`${type}\``;
  return [
    `### \`${place}\`${suffix}, ${operation}: ${named(of)}`,
    OTHERS[others],
    renderTable(table, `${place}.`),
  ];
}

function renderTable(table: FieldTable, prefix = ""): string {
  const rows = Object.entries(table).map(
    ([field, { fate, note }]) => `| \`${prefix}${field}\` | ${fate} | ${note.replaceAll("|", "\\|")} |`,
  );
  return ["| field | fate | note |", "| --- | --- | --- |", ...rows].join("\n");
}

function named(speakers: readonly string[]): string {
  return speakers.map((name) => `\`${name}\``).join(", ");
}

/** One entry for all that state the same of an operation. */
export function groupTables(tables: readonly OperationTable[]): OperationTable[] {
  const groups = new Map<string, OperationTable>();
  for (const { of, operation, table } of tables) {
    const key = `${operation}\n${renderTable(table)}`;
    const group = groups.get(key);
    groups.set(key, group ? { ...group, of: [...group.of, ...of] } : { of, operation, table });
  }
  return [...groups.values()];
}
