import { readFile } from "node:fs/promises";
import { basename, dirname, extname } from "node:path";
import type { ModuleLoader } from "./module-loader.ts";
import { fillPlaceholders } from "./placeholders.ts";

const CODE: ReadonlySet<string> = new Set([".ts", ".js", ".mjs"]);

/** One config file as it stands: the default export of code, or the content of JSON, YAML or TOML. */
export async function readConfigFile(file: string, loader: ModuleLoader): Promise<unknown> {
  if (CODE.has(extname(file))) return exportedBy(await loader.importFile(file));
  const content =
    extname(file) === ".json" ? JSON.parse(await readFile(file, "utf8")) : await parseByC12(file);
  return fillPlaceholders(content, process.env);
}

/** A file of CommonJS has its config for all that it exports. */
function exportedBy(exports: Record<string, unknown>): unknown {
  const isModule =
    exports["__esModule"] === true || "default" in exports || Object.keys(exports).length === 0;
  return isModule ? exports["default"] : exports;
}

/**
 * c12 knows the formats. Layers, merging and code are ours: c12 concatenates lists, only warns where a base is
 * missing, and a reload by it keeps the old code of plain ESM files.
 */
async function parseByC12(file: string): Promise<unknown> {
  const { loadConfig } = await import("c12");
  try {
    const { config } = await loadConfig({
      cwd: dirname(file),
      configFile: basename(file),
      configFileRequired: true,
      envName: false,
      extend: false,
      giget: false,
      rcFile: false,
    });
    return config;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // c12 reads a property of the content: the file is empty
    throw error;
  }
}
