import { dirname, extname, isAbsolute, relative, resolve } from "node:path";
import { createFaultList } from "./check.ts";
import { describeValue, type ConfigFault } from "./fault.ts";
import { ENV_NAME } from "./environment.ts";
import { findConfigFile, isDeadLink, isFile } from "./find-file.ts";
import { checkLayers, layerNames, modeLayers, type ConfigMode } from "./mode-layers.ts";
import type { ModuleLoader } from "./module-loader.ts";
import type { RawConfig } from "./merge.ts";
import { nearest } from "./nearest.ts";
import type { PlacedLayer } from "./origin.ts";
import { isPlainObject } from "./plain-object.ts";
import { isCode, readConfigFile, readText } from "./read-file.ts";
import { toReadFault } from "./read-error.ts";
import { fillPlaceholders } from "./placeholders.ts";
import { unusableParts } from "./unusable-parts.ts";

export interface LayerScope {
  readonly mode: ConfigMode;
  readonly loader: ModuleLoader;
  /** The files that led here by `extends`. */
  readonly chain: readonly string[];
}

/** `environments` are the names that the files have layers for, those of modes among them. */
export type Layers =
  | { ok: true; layers: PlacedLayer[]; environments: string[] }
  | { ok: false; faults: ConfigFault[] };

/** A file with its layers, the strongest first: `$production` and the like, the file, what it extends. */
export async function readLayers(file: string, scope: LayerScope): Promise<Layers> {
  const list = createFaultList(file);
  let config: unknown;
  try {
    config = await readConfigFile(file, scope.loader);
    for (const { path, ...fault } of unusableParts(config)) list.add(path, fault);
    if (list.faults.length > 0) return { ok: false, faults: list.faults };
    if (!isPlainObject(config)) return { ok: false, faults: [noObject(file, config)] };
    if (!isCode(file)) config = fillPlaceholders(config, process.env);
  } catch (error) {
    const isJson = extname(file) === ".json" && error instanceof SyntaxError;
    const text = isJson ? await readText(file) : undefined;
    return { ok: false, faults: [toReadFault(error, { file, files: scope.loader.files, text })] };
  }
  const { extends: bases, ...own } = config as RawConfig;
  const layers = modeLayers(own, file, scope.mode, process.env[ENV_NAME] || undefined);
  const environments = layerNames(own);

  const faults: ConfigFault[] = [];
  checkLayers(own, list);
  const names = bases === undefined ? [] : Array.isArray(bases) ? bases : [bases];
  for (const [index, base] of names.entries()) {
    const path = Array.isArray(bases) ? ["extends", index] : ["extends"];
    const found = locateBase(base, file, scope.chain);
    if ("file" in found) {
      const inner = await readLayers(found.file, { ...scope, chain: [...scope.chain, file] });
      if (inner.ok) {
        layers.push(...inner.layers);
        environments.push(...inner.environments);
      } else faults.push(...inner.faults);
    } else list.add(path, { expected: "a config file of this machine", ...found });
  }
  faults.unshift(...list.faults);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, layers, environments };
}

/** What to warn of where the environment asks for a layer that there is none of, though there are others. */
export function missingLayer(wanted: string | undefined, environments: readonly string[]): string[] {
  const isKnown = !wanted || MODES.includes(wanted) || environments.includes(wanted);
  if (isKnown || environments.length === 0) return [];
  const near = nearest(wanted, environments);
  const hint =
    near === undefined ? `it has ${[...new Set(environments)].join(", ")}` : `did you mean ${near}?`;
  return [`${ENV_NAME} is "${wanted}", of which the config has no layer; ${hint}`];
}

/** Good names for every config: whoever runs it where `$env` has nothing to say may set them all the same. */
const MODES: readonly string[] = ["production", "development", "test"] satisfies ConfigMode[];

/** A relative or absolute path with its extension. Nothing is downloaded: a config is code that runs. */
function locateBase(
  base: unknown,
  from: string,
  chain: readonly string[],
): { file: string } | { received: string; hint?: string } {
  if (typeof base !== "string") return { received: describeValue(base) };
  if (!base.startsWith(".") && !isAbsolute(base)) {
    return {
      received: "another source",
      hint: 'Name a file, such as "./base.config.ts"; remote sources are not read.',
    };
  }
  const file = resolve(dirname(from), base);
  if (file === from || chain.includes(file)) return { received: "a file that extends this one" };
  if (isFile(file)) return { file };
  if (isDeadLink(file)) return { received: "a link that leads to no file" };
  const near = findConfigFile(file).file ?? [".ts", ".js", ".mjs"].map((end) => file + end).find(isFile);
  return {
    received: "no such file",
    hint: near ? `Did you mean "${relativeTo(dirname(from), near)}"?` : `Looked for ${file}.`,
  };
}

function relativeTo(dir: string, file: string): string {
  const path = relative(dir, file);
  return path.startsWith(".") ? path : `./${path}`;
}

function noObject(file: string, config: unknown): ConfigFault {
  const received = describeValue(config);
  return {
    file,
    path: "",
    expected: "an object",
    received,
    message: `the config must be an object, got ${received}`,
    ...(config === undefined &&
      isCode(file) && { hint: "Write `export default defineGatewayConfig({ … })`." }),
  };
}
