import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import type { ModuleLoader } from "./module-loader.ts";

const CODE = /\.[cm]?[jt]s$/;

/** Formats that are no code, by extension. */
const PARSERS: Readonly<Record<string, () => Promise<(text: string) => unknown>>> = {
  ".json": async () => JSON.parse,
  ".yaml": async () => (await import("confbox/yaml")).parseYAML,
  ".yml": async () => (await import("confbox/yaml")).parseYAML,
  ".toml": async () => (await import("confbox/toml")).parseTOML,
};

/** One config file as it stands: the default export of code, or the content of another format. */
export async function readConfigFile(file: string, loader: ModuleLoader): Promise<unknown> {
  if (CODE.test(file)) return exportedBy(await loader.importFile(file));
  const parser = PARSERS[extname(file)];
  if (!parser)
    throw new Error("a config is a file of TypeScript, JavaScript, JSON, YAML or TOML, by its extension");
  loader.files.add(file);
  const [parse, text] = await Promise.all([parser(), readText(file)]);
  // An empty document of YAML is null.
  return parse(text) ?? undefined;
}

/** True for a file that can say `env()`; in the texts of others stands `${NAME}`. */
export function isCode(file: string): boolean {
  return CODE.test(file);
}

/** A file's text, without the byte order mark that editors may put before it (RFC 8259, section 8.1). */
export async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("the file is not in UTF-8: save it as that");
  }
}

/** A file of CommonJS has its config for all that it exports. */
function exportedBy(exports: Record<string, unknown>): unknown {
  const isModule =
    exports["__esModule"] === true || "default" in exports || Object.keys(exports).length === 0;
  return isModule ? exports["default"] : exports;
}
