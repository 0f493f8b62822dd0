import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Plugin } from "../plugin.ts";
import { describeValue, type Path } from "./fault.ts";
import type { FaultList } from "./check.ts";
import { isPlainObject } from "./plain-object.ts";
import type { ModuleLoader } from "./module-loader.ts";
import { nearest } from "./nearest.ts";
import { when, type PluginCondition } from "./when.ts";
import type { Condition } from "./resolved.ts";

/** A plugin as JSON, YAML and TOML name it. */
interface NamedPlugin {
  name: string;
  options?: unknown;
  /** Where it comes from. Default `@gatewright/<name>`. */
  package?: string;
  when?: Condition;
}

type Factory = ((options?: unknown) => Plugin) & { definition: { name: string } };

/** Keeps the place of a plugin that could not be loaded, of which a fault tells. */
export const NOT_LOADED = Symbol("not loaded");

/** Of the plugins that are published beside core. */
const SCOPE = "@gatewright";

const KEYS: ReadonlySet<string> = new Set(["name", "options", "package", "when"]);

/** Turns entries that name a plugin into the plugin; others stay. */
export async function loadNamedPlugins(
  entries: readonly unknown[],
  loader: ModuleLoader,
  dir: string,
  list: FaultList,
): Promise<unknown[]> {
  const loaded: unknown[] = [];
  for (const [index, entry] of entries.entries()) {
    const named = toNamedPlugin(entry);
    if (named === undefined) loaded.push(entry);
    else {
      loaded.push((await loadNamedPlugin(named, ["plugins", index], loader, dir, list)) ?? NOT_LOADED);
    }
  }
  return loaded;
}

function toNamedPlugin(entry: unknown): NamedPlugin | undefined {
  if (typeof entry === "string") return { name: entry };
  const fits =
    isPlainObject(entry) &&
    typeof entry["name"] === "string" &&
    Object.keys(entry).every((key) => KEYS.has(key));
  return fits ? (entry as unknown as NamedPlugin) : undefined;
}

async function loadNamedPlugin(
  named: NamedPlugin,
  path: Path,
  loader: ModuleLoader,
  dir: string,
  list: FaultList,
): Promise<Plugin | PluginCondition | undefined> {
  const from: unknown = named.package ?? `${SCOPE}/${named.name}`;
  if (typeof from !== "string" || from === "") {
    list.add([...path, "package"], { expected: "the name of a package", received: describeValue(from) });
    return undefined;
  }
  let exports: Record<string, unknown>;
  try {
    exports = await loader.importPackage(from, dir);
  } catch (error) {
    const absent = /^Cannot find (?:module|package)/.test((error as Error).message);
    list.add(path, {
      expected: `the package ${from}`,
      received: absent ? "nothing" : "an error",
      message: `${list.place(path)}: the package ${from} ${absent ? "is not installed" : "cannot be loaded"}`,
      hint: absent ? howToFind(named, from, dir) : (error as Error).message.split("\n")[0],
    });
    return undefined;
  }
  const factory = Object.values(exports).find(
    (value) => isFactory(value) && value.definition.name === named.name,
  );
  if (!factory) {
    const names = Object.values(exports)
      .filter(isFactory)
      .map((other) => other.definition.name);
    list.add(path, {
      expected: `a plugin named ${named.name}`,
      received: names.length > 0 ? names.join(", ") : "no plugin",
      message: `${list.place(path)}: the package ${from} has no plugin named ${named.name}`,
    });
    return undefined;
  }
  const plugin = (factory as Factory)(named.options ?? {});
  return named.when === undefined ? plugin : when(named.when, plugin);
}

/** A misspelt name must not lead to whatever package somebody has given it: those at hand come first. */
function howToFind({ name, package: named }: NamedPlugin, from: string, dir: string): string {
  const near = named === undefined ? nearest(name, installedPlugins(dir)) : undefined;
  return near === undefined ? `Install it: npm install ${from}` : `Did you mean \`${near}\`?`;
}

function installedPlugins(dir: string): string[] {
  const folders = createRequire(join(dir, "_.js")).resolve.paths(`${SCOPE}/any`) ?? [];
  return folders.flatMap((folder) => {
    const scope = join(folder, SCOPE);
    return existsSync(scope) ? readdirSync(scope) : [];
  });
}

function isFactory(value: unknown): value is Factory {
  return (
    typeof value === "function" &&
    typeof (value as { definition?: { name?: unknown } }).definition?.name === "string"
  );
}
