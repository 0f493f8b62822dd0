import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Adapter } from "../adapter.ts";
import { hasBrand } from "../brand.ts";
import { describeValue, type ConfigFault } from "./fault.ts";
import { createModuleLoader, type ModuleLoader } from "./module-loader.ts";
import { toReadFault } from "./read-error.ts";

/** What `@gatewright/adapters` exports: each adapter is loaded when it is used. */
type BuiltInAdapters = Readonly<Record<string, () => Promise<{ default: Adapter }>>>;

export interface DiscoveredAdapters {
  /** Those asked for and found, by name. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  /** All that could be asked for. */
  readonly names: readonly string[];
  readonly faults: readonly ConfigFault[];
}

const PACKAGE = "@gatewright/adapters";

/** Folder of the user's own adapters, beside the config. */
export function adaptersFolder(dir: string): string {
  return join(dir, "adapters");
}

/**
 * Finds adapters: those of `@gatewright/adapters`, of which only the `used` ones are loaded, and the files of the
 * `adapters/` folder beside the config, which win on the same name. A file that starts with `_` is internal.
 */
export async function discoverAdapters(
  dir: string,
  used: ReadonlySet<string>,
  loader: ModuleLoader = createModuleLoader(),
): Promise<DiscoveredAdapters> {
  const faults: ConfigFault[] = [];
  const own = await loadOwnAdapters(dir, loader, faults);
  const builtIn = await loadBuiltInAdapters(dir);
  const adapters = new Map<string, Adapter>();
  for (const name of used) {
    const adapter =
      own.get(name) ?? (Object.hasOwn(builtIn, name) ? (await builtIn[name]!()).default : undefined);
    if (adapter) adapters.set(name, adapter);
  }
  return { adapters, names: [...new Set([...own.keys(), ...Object.keys(builtIn)])].sort(), faults };
}

async function loadOwnAdapters(
  dir: string,
  loader: ModuleLoader,
  faults: ConfigFault[],
): Promise<Map<string, Adapter>> {
  const adapters = new Map<string, Adapter>();
  const folder = adaptersFolder(dir);
  for (const name of await listFolder(folder)) {
    if (!/^[^_.].*(?<!\.d)\.(?:ts|js|mjs)$/.test(name)) continue;
    const file = join(folder, name);
    try {
      const { default: adapter } = await loader.importFile(file);
      if (isAdapter(adapter)) adapters.set(adapter.name, adapter);
      else faults.push(notAnAdapter(file, adapter));
    } catch (error) {
      faults.push(toReadFault(error, { file, files: loader.files }));
    }
  }
  return adapters;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}

function isAdapter(value: unknown): value is Adapter {
  return hasBrand("adapter", value);
}

function notAnAdapter(file: string, value: unknown): ConfigFault {
  const expected = "a default export made by defineAdapter()";
  const received = value === undefined ? "no default export" : describeValue(value);
  return { file, path: "", expected, received, message: `the file must have ${expected}, got ${received}` };
}

/** The package beside this one, or else the one that the project has installed; none is no fault. */
async function loadBuiltInAdapters(dir: string): Promise<BuiltInAdapters> {
  const places = [
    async () => PACKAGE,
    async () => pathToFileURL(createRequire(join(dir, "_")).resolve(PACKAGE)).href,
  ];
  for (const place of places) {
    try {
      return ((await import(await place())) as { adapters: BuiltInAdapters }).adapters;
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  return {};
}

function isAbsent(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return /^(?:ERR_)?MODULE_NOT_FOUND$/.test(code ?? "") && message.includes(PACKAGE);
}
