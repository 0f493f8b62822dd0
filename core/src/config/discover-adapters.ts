import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, extname, join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import type { Adapter } from "../adapter.ts";
import { ExtensionSchema, toExtendedAdapter, type CheckedExtension } from "../adapter-extension.ts";
import { hasBrand } from "../brand.ts";
import { addUnknownKey, addUnknownName, checkValue, createFaultList, type FaultList } from "./check.ts";
import { describeValue, type ConfigFault } from "./fault.ts";
import { isPlainObject } from "./plain-object.ts";
import { fillPlaceholders } from "./placeholders.ts";
import { createModuleLoader, type ModuleLoader } from "./module-loader.ts";
import { toReadFault } from "./read-error.ts";
import { readText } from "./read-file.ts";

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
 * `adapters/` folder beside the config, which win on the same name. A file holds an adapter, or an extension of
 * another one (`extends`), which may be JSON. One whose name starts with `_` is internal.
 */
export async function discoverAdapters(
  dir: string,
  used: ReadonlySet<string> | "all",
  loader: ModuleLoader = createModuleLoader(),
): Promise<DiscoveredAdapters> {
  const faults: ConfigFault[] = [];
  const files = await loadOwnFiles(dir, loader, faults);
  const builtIn = await loadBuiltInAdapters(dir);
  const own = await extendAll(files, builtIn);
  for (const { list } of files.extensions.values()) faults.push(...list.faults);
  const adapters = new Map<string, Adapter>();
  const names = [...new Set([...own.keys(), ...Object.keys(builtIn)])].sort();
  for (const name of used === "all" ? names : used) {
    const adapter =
      own.get(name) ?? (Object.hasOwn(builtIn, name) ? (await builtIn[name]!()).default : undefined);
    if (adapter) adapters.set(name, adapter);
  }
  return { adapters, names, faults };
}

/** What a file says that is no adapter by itself. */
interface ExtensionFile {
  readonly extension: CheckedExtension;
  readonly list: FaultList;
}

const Mapping = v.looseObject({
  path: v.union([v.string(), v.function()], "a path, or a function that gives one"),
});

/** What every adapter has, for those that types did not see. */
const AdapterShape = v.looseObject({
  name: v.pipe(v.string(), v.nonEmpty()),
  provider: v.pipe(v.string(), v.nonEmpty()),
  auth: v.function(),
  operations: v.record(v.string(), v.optional(Mapping)),
  baseURL: v.optional(v.union([v.string(), v.function()], "a URL, or a function that gives one")),
  authorize: v.optional(v.function()),
  headers: v.optional(v.function()),
  errorInReply: v.optional(v.function()),
  fromError: v.optional(v.function()),
  retryAfterMs: v.optional(v.function()),
});

/** By the name of the adapter. */
interface OwnFiles {
  readonly adapters: Map<string, Adapter>;
  readonly extensions: Map<string, ExtensionFile>;
}

async function loadOwnFiles(dir: string, loader: ModuleLoader, faults: ConfigFault[]): Promise<OwnFiles> {
  const own: OwnFiles = { adapters: new Map(), extensions: new Map() };
  const folder = adaptersFolder(dir);
  for (const name of await listFolder(folder)) {
    if (!/^[^_.].*(?<!\.d)\.(?:ts|js|mjs|json)$/.test(name) || PACKAGE_FILE.test(name)) continue;
    const file = join(folder, name);
    const value = await readOwnFile(file, loader, faults);
    if (value === UNREADABLE) continue;
    const list = createFaultList(file, new Map());
    if (isAdapter(value)) {
      if (await checkValue(AdapterShape, value, [], list)) own.adapters.set(value.name, value);
      else faults.push(...list.faults);
    } else if (!isPlainObject(value) || !Object.hasOwn(value, "extends"))
      faults.push(notAnAdapter(file, value));
    else {
      const extension = await checkValue(ExtensionSchema, value, [], list);
      if (extension) own.extensions.set(extension.name ?? basename(name, extname(name)), { extension, list });
      else faults.push(...list.faults);
    }
  }
  return own;
}

/** What a folder holds that is a package of its own, as this repository's is: no adapters, though they may have `extends`. */
const PACKAGE_FILE = /^(?:package(?:-lock)?|[jt]sconfig(?:\..+)?)\.json$/;

/** Told as a fault already. */
const UNREADABLE = Symbol("unreadable");

async function readOwnFile(file: string, loader: ModuleLoader, faults: ConfigFault[]): Promise<unknown> {
  let text: string | undefined;
  try {
    if (extname(file) !== ".json") return (await loader.importFile(file))["default"];
    loader.files.add(file);
    text = await readText(file);
    return fillPlaceholders(JSON.parse(text), process.env);
  } catch (error) {
    faults.push(toReadFault(error, { file, files: loader.files, text }));
    return UNREADABLE;
  }
}

/** The user's adapters, extensions put together with what they extend; where that fails, their lists say why. */
async function extendAll(own: OwnFiles, builtIn: BuiltInAdapters): Promise<Map<string, Adapter>> {
  const adapters = new Map(own.adapters);

  async function find(name: string, by: readonly string[]): Promise<Adapter | undefined> {
    const known = adapters.get(name);
    if (known) return known;
    // One that has the name of what it extends means the built-in one.
    if (own.extensions.has(name) && by.at(-1) !== name) return extend(name, by);
    return Object.hasOwn(builtIn, name) ? (await builtIn[name]!()).default : undefined;
  }

  async function extend(name: string, by: readonly string[]): Promise<Adapter | undefined> {
    const { extension, list } = own.extensions.get(name)!;
    const chain = [...by, name];
    if (by.includes(name)) {
      const received = chain.map((one) => `\`${one}\``).join(" → ");
      list.add(["extends"], { expected: "an adapter that does not extend this one", received });
      return undefined;
    }
    const base = await find(extension.extends, chain);
    if (!base) {
      // One that is there and cannot be had has its own faults.
      if (!own.extensions.has(extension.extends)) addUnknownBase(extension.extends, list);
      return undefined;
    }
    const before = list.faults.length;
    await checkPaths(extension, base, builtIn, list);
    if (list.faults.length > before) return undefined;
    const adapter = toExtendedAdapter(base, extension, name);
    adapters.set(name, adapter);
    return adapter;
  }

  function addUnknownBase(name: string, list: FaultList): void {
    const known = [...own.adapters.keys(), ...own.extensions.keys(), ...Object.keys(builtIn)];
    addUnknownName(["extends"], name, { kind: "adapter", known }, list);
  }

  for (const name of own.extensions.keys()) if (!adapters.has(name)) await extend(name, []);
  return adapters;
}

async function checkPaths(
  { paths, models }: CheckedExtension,
  base: Adapter,
  builtIn: BuiltInAdapters,
  list: FaultList,
): Promise<void> {
  const own = Object.keys(base.operations);
  const given = Object.entries(paths).filter(([operation]) => !own.includes(operation));
  const known = given.length > 0 ? await knownOperations(own, builtIn) : own;
  // One that is not there cannot be taken away.
  for (const [operation, path] of given)
    if (path === false || !known.includes(operation))
      addUnknownKey(["paths", operation], path, path === false ? own : known, list);
  if (typeof models === "string" && !base.models)
    list.add(["models"], {
      expected: "nothing",
      received: "a path",
      message: `models: the adapter \`${base.name}\` does not know how a list of models is read`,
    });
}

/** Plugins that are not set up yet bring operations too: what some adapter maps is known to be one. */
async function knownOperations(own: readonly string[], builtIn: BuiltInAdapters): Promise<string[]> {
  const modules = await Promise.all(Object.values(builtIn).map((load) => load()));
  const mapped = modules.flatMap((module) => Object.keys(module.default.operations));
  return [...new Set([...own, ...mapped])];
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
  const isJson = extname(file) === ".json";
  const expected = isJson
    ? "an object that `extends` an adapter"
    : "a default export made by defineAdapter()";
  const received = value === undefined ? "no default export" : describeValue(value);
  const message = `the file must ${isJson ? "be" : "have"} ${expected}, got ${received}`;
  return { file, path: "", expected, received, message };
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
