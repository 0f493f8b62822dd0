import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PluginDefinition, StandardSchemaV1 } from "gatewright";
import { SectionSchemas, BackendSchema, ModelSchema } from "../core/src/config/schema.ts";
import type { GeneratedFile } from "./generate.ts";
import { listAdapters } from "./generate-adapters.ts";
import { renderAdapterFields, renderAdapterParts, type AdapterModule } from "./reference/adapter-page.ts";
import { readDocs, type Docs } from "./reference/docstrings.ts";
import { fieldsOf, type SchemaNode } from "./reference/fields.ts";
import { renderFrontDoorFields } from "./reference/front-door-page.ts";
import { listPublished, ROOT, type Manifest } from "./workspace.ts";

const FOLDER = join(ROOT, "docs/reference");
const NOTE = "<!-- Generated from the schemas. Do not edit: run `npm run generate`. -->";
const CHOICES =
  'A row such as `driver: "file"` is a choice; the rows after it, up to the next choice, go with it alone.';

/** Reference pages of the config, of the adapters and of every plugin, from the schemas that check them and their docstrings. */
export async function generateReference(): Promise<GeneratedFile[]> {
  const adapters = await importAdapters();
  return [
    { file: join(FOLDER, "adapter-fields.md"), text: page(renderAdapterFields(adapters)) },
    { file: join(FOLDER, "adapters.md"), text: page(renderAdapterParts(adapters)) },
    { file: join(FOLDER, "config.md"), text: await renderConfig() },
    { file: join(FOLDER, "front-door-fields.md"), text: page(renderFrontDoorFields()) },
    { file: join(FOLDER, "plugins.md"), text: await renderPlugins() },
  ];
}

async function renderConfig(): Promise<string> {
  const docs = readDocs(join(ROOT, "core/src/config/schema.ts"));
  const sections = docs.get("SectionSchemas")!.entries!;
  const section = (name: keyof typeof SectionSchemas): string =>
    [
      `## \`${name}\``,
      sections[name]!.text,
      table(SectionSchemas[name] as SchemaNode, sections[name]!, `${name}.`),
    ]
      .filter(Boolean)
      .join("\n\n");
  const entries = (title: string, text: string, schema: unknown, name: string): string =>
    `## \`${title}\`\n\n${text}\n\n${table(schema as SchemaNode, docs.get(name)!, `${title}.<name>.`)}`;
  return page([
    "# Config",
    "Every setting of `gateway.config.ts`, by path. Guide: [configuration](../configuration.md). " +
      "[Adapters](adapters.md) and [plugins](plugins.md) have pages of their own.",
    CHOICES,
    section("server"),
    section("state"),
    section("log"),
    section("timeouts"),
    entries("backends", "Upstream servers and provider accounts, by name.", BackendSchema, "BackendSchema"),
    ...(await renderAdapters()),
    entries(
      "models",
      "Names that clients may ask for, beside the models that the backends list.",
      ModelSchema,
      "ModelSchema",
    ),
    section("discovery"),
    "## `defaultModels`",
    `${sections["defaultModels"]!.text} For example \`{ chat: "best" }\`.`,
    "## `plugins`",
    "The chain, in this order: [plugins](plugins.md).",
  ]);
}

/** What a backend may say beside the common settings, by adapter; one table for all that have the same options. */
async function renderAdapters(): Promise<string[]> {
  const sources = listSources(ADAPTERS);
  const namesOf = new Map<StandardSchemaV1, string[]>();
  for (const { default: adapter } of await importAdapters()) {
    if (!adapter.options) continue;
    const names = namesOf.get(adapter.options) ?? [];
    namesOf.set(adapter.options, [...names, `\`"${adapter.name}"\``]);
  }
  const parts: string[] = [];
  for (const [schema, names] of namesOf) {
    parts.push(
      `### Backends with \`adapter\` ${names.join(", ")}`,
      "Beside the settings of every backend. Where `baseURL` may be left out: [adapters](adapters.md).",
      table(schema as unknown as SchemaNode, await docsOf(schema, sources), "backends.<name>."),
    );
  }
  return parts;
}

const ADAPTERS = join(ROOT, "adapters/src");

function importAdapters(): Promise<AdapterModule[]> {
  return Promise.all(listAdapters().map((name) => importFrom<AdapterModule>(join(ADAPTERS, `${name}.ts`))));
}

async function renderPlugins(): Promise<string> {
  const plugins = listPublished().filter(({ folder }) => folder.startsWith("plugins/"));
  const parts: string[] = [];
  for (const { folder, manifest } of plugins) parts.push(...(await renderPlugin(folder, manifest)));
  return page([
    "# Plugins",
    "Options of each plugin, and its place in the list. A plugin's own README says what it does and how it scales.",
    CHOICES,
    ...parts,
  ]);
}

async function renderPlugin(folder: string, manifest: Manifest): Promise<string[]> {
  const exports = await importFrom(join(ROOT, folder, "src/index.ts"));
  const definition = Object.values(exports).map(toDefinition).find(Boolean);
  if (!definition) throw new Error(`${folder}/src/index.ts exports no plugin`);
  const docs = await docsOf(definition.options, listSources(join(ROOT, folder, "src")));
  return [
    `## ${definition.name}`,
    `${manifest.description} Package [\`${manifest.name}\`](../../${folder}/README.md).`,
    placeOf(definition),
    table(definition.options as unknown as SchemaNode, docs, ""),
  ];
}

function toDefinition(value: unknown): PluginDefinition<StandardSchemaV1> | undefined {
  return typeof value === "function" && "definition" in value
    ? (value.definition as PluginDefinition<StandardSchemaV1>)
    : undefined;
}

/** What the list must look like around the plugin. */
function placeOf({ needs = [], gives = [], headersOnly, exact }: PluginDefinition<StandardSchemaV1>) {
  const names = (facts: readonly string[]): string => facts.map((fact) => `\`${fact}\``).join(", ");
  return [
    `- Needs: ${names(needs) || "nothing"}. Gives: ${names(gives) || "nothing"}.`,
    headersOnly ? "- Decides on headers alone: listed first, it refuses before the body is read." : "",
    exact ? "- Exact counts: with several workers it needs Redis state." : "",
  ]
    .filter(Boolean)
    .join("\n");
}

function table(schema: SchemaNode, docs: Docs, prefix: string): string {
  const rows = fieldsOf(schema, docs, prefix).map(
    ({ path, type, fallback, meaning }) =>
      `| \`${path}\` | ${cell(type)} | ${cell(fallback)} | ${cell(meaning)} |`,
  );
  return ["| setting | type | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function page(parts: readonly string[]): string {
  return `${[NOTE, ...parts].join("\n\n")}\n`;
}

/** Docstrings of a schema, from the one of these files that exports it. */
async function docsOf(schema: unknown, files: readonly string[]): Promise<Docs> {
  for (const file of files) {
    const found = Object.entries(await importFrom(file)).find(([, value]) => value === schema);
    const docs = found && readDocs(file).get(found[0]);
    if (docs) return docs;
  }
  throw new Error(`No file exports the schema by its own name: ${files.join(", ")}`);
}

function importFrom<Exports = Record<string, unknown>>(file: string): Promise<Exports> {
  return import(pathToFileURL(file).href) as Promise<Exports>;
}

function listSources(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return listSources(path);
      return /(?<!\.gen)\.ts$/.test(entry.name) ? [path] : [];
    })
    .sort();
}
