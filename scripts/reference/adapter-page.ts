import type { Adapter, FieldTable } from "gatewright";
import { groupTables, renderFates } from "./fields-page.ts";
import { ADAPTER_TABLES } from "./nested-tables.ts";

/** What a file of `adapters/src` exports. */
export interface AdapterModule {
  readonly default: Adapter & { readonly fields?: FieldTables };
  readonly fields?: FieldTables;
}
type FieldTables = Readonly<Record<string, FieldTable>>;

/** The parts of the page of adapters: what each serves. */
export function renderAdapterParts(modules: readonly AdapterModule[]): string[] {
  const rows = modules.map(({ default: adapter }) => renderRow(adapter));
  return [
    "# Adapters",
    "The dialects that backends may speak. Options of each: [config](config.md#backends). What becomes of request fields: " +
      "[fields of adapters](adapter-fields.md). Guide: [writing an adapter](../writing-an-adapter.md).",
    "An operation that an adapter lacks is a 501 for its models, unless another operation stands in for it, as `chat` " +
      "does for other front doors.",
    "Inputs are those of one embeddings request; more than the backend takes are a 400.",
    [
      "| adapter | `baseURL` | operations | models listed | inputs |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
    ].join("\n"),
  ];
}

function renderRow({ name, baseURL, operations, models }: Adapter): string {
  const own = typeof baseURL === "function" ? "from its options" : baseURL ? `\`${baseURL}\`` : "required";
  const listed = models ? "yes" : "no";
  const most = operations.embeddings?.maxInputs ?? "";
  const inputs = typeof most === "function" ? "by model" : most.toLocaleString("en");
  return `| \`${name}\` | ${own} | ${Object.keys(operations).join(", ")} | ${listed} | ${inputs} |`;
}

/** The parts of the page of what adapters do with request fields. */
export function renderAdapterFields(modules: readonly AdapterModule[]): string[] {
  const tables = modules.flatMap(({ default: adapter, fields = adapter.fields ?? {} }) =>
    Object.entries(fields).map(([operation, table]) => ({ of: [adapter.name], operation, table })),
  );
  return [
    "# Fields of adapters",
    "What becomes of request fields on their way to a backend: **forward** as they are, **translate** to what the note " +
      "says, **drop** and report in `x-gatewright-dropped`, or **refuse** with a 400 that names field and backend. A field " +
      "without a row is forwarded; an [adapter](adapters.md) without a table passes requests as they came, but for the " +
      "model's name. What front doors in other dialects make of theirs: [fields of front doors](front-door-fields.md).",
    ...renderFates(groupTables(tables), ADAPTER_TABLES),
  ];
}
