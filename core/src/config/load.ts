import { basename, dirname, relative, resolve } from "node:path";
import type { Wait } from "../wait.ts";
import { createFaultList } from "./check.ts";
import { adaptersFolder } from "./discover-adapters.ts";
import { applyDotenv } from "./dotenv.ts";
import { ENV_NAME } from "./environment.ts";
import type { ConfigFault } from "./fault.ts";
import { findConfigFile, isDeadLink, isFile, isFolder } from "./find-file.ts";
import { missingLayer, readLayers } from "./layers.ts";
import { mergeConfigs } from "./merge.ts";
import { createModuleLoader } from "./module-loader.ts";
import type { ConfigMode } from "./mode-layers.ts";
import { loadNamedPlugins } from "./named-plugins.ts";
import { createFindOrigin } from "./origin.ts";
import { resolveConfig } from "./resolve.ts";
import type { ConfigOverrides } from "./resolve-sections.ts";
import type { ResolvedConfig } from "./resolved.ts";

export interface LoadOptions {
  /** Where the config and the `.env` files are looked for. Default: the working folder. */
  cwd?: string | undefined;
  /** The config, or a folder that has one; default: `gateway.config.*`, `.config/gateway.*` or `config/gateway.*` in `cwd`. */
  file?: string | undefined;
  /** Which layer applies: `$production` (default), `$development` or `$test`, or `$env` with that name. */
  mode?: ConfigMode | undefined;
  overrides?: ConfigOverrides | undefined;
  /** Waits for the code of the files, which may never settle. Default: as long as it takes. */
  wait?: Wait | undefined;
}

/** `sources` are the files and folders whose change may change the outcome, whether they exist or not. */
export type LoadResult =
  | { ok: true; config: ResolvedConfig; sources: readonly string[]; warnings: readonly string[] }
  | { ok: false; faults: readonly ConfigFault[]; sources: readonly string[]; warnings: readonly string[] };

/**
 * Loads a config from its file: `.env` files, the file, its layers, the environment, every check. Never throws for
 * what is wrong with the config. Each call evaluates the project's own files anew.
 */
export async function loadGatewayConfig(options: LoadOptions = {}): Promise<LoadResult> {
  const { mode = "production", overrides } = options;
  const cwd = resolve(options.cwd ?? ".");
  const loader = createModuleLoader(options.wait);
  const dotenvFiles = await applyDotenv(cwd);
  const { file, tried } = locateConfig(cwd, options.file);
  const sources = (): string[] => [...new Set([...tried, ...loader.files, ...dotenvFiles])];
  if (file === undefined)
    return { ok: false, faults: [missingFile(cwd, tried)], sources: sources(), warnings: [] };

  const dir = configFolder(file);
  const found = await readLayers(file, { mode, loader, chain: [] });
  const read = (): string[] => [...sources(), adaptersFolder(dir)];
  if (!found.ok) return { ok: false, faults: found.faults, sources: read(), warnings: [] };

  const raw = mergeConfigs(found.layers);
  const origin = createFindOrigin(found.layers, raw, file);
  const list = createFaultList(origin);
  if (Array.isArray(raw["plugins"]))
    raw["plugins"] = await loadNamedPlugins(raw["plugins"], loader, dir, list);
  const result = await resolveConfig(raw, { dir, file, origin, mode, overrides, env: process.env, loader });
  const warnings = [...missingLayer(process.env[ENV_NAME], found.environments), ...result.warnings];
  if (result.ok && list.faults.length === 0)
    return { ok: true, config: result.config, sources: read(), warnings };
  const faults = [...list.faults, ...(result.ok ? [] : result.faults)];
  return { ok: false, faults, sources: read(), warnings };
}

function locateConfig(cwd: string, wanted: string | undefined): { file?: string; tried: readonly string[] } {
  if (wanted === undefined) return findConfigFile(cwd);
  const file = resolve(cwd, wanted);
  if (isFolder(file)) return findConfigFile(file);
  return isFile(file) ? { file, tried: [file] } : { tried: [file] };
}

function missingFile(cwd: string, tried: readonly string[]): ConfigFault {
  const places = tried.map((path) => relative(cwd, path));
  const link = places.find((_, index) => isDeadLink(tried[index]!));
  const reason = link ? `${link} is a link that leads to no file` : `looked for ${places.join(", ")}`;
  return {
    file: cwd,
    path: "",
    expected: "a config file",
    received: "none",
    message: `no config was found in ${cwd}; ${reason}`,
    hint: "Make one with `npm create gateway@latest`, or name it: --config <file>.",
  };
}

/** A file in `.config/` or `config/` speaks of the project's folder. */
export function configFolder(file: string): string {
  const dir = dirname(file);
  return /^\.?config$/.test(basename(dir)) && basename(file).startsWith("gateway.") ? dirname(dir) : dir;
}
