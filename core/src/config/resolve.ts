import { resolve as resolvePath } from "node:path";
import * as v from "valibot";
import type { Adapter } from "../adapter.ts";
import { checkValue, createFaultList, didYouMean, type FaultList } from "./check.ts";
import { discoverAdapters } from "./discover-adapters.ts";
import { createEnvironmentOverrides, secretsIn, type EnvironmentVariables } from "./environment.ts";
import { describeValue, type ConfigFault } from "./fault.ts";
import { isPlainObject, LAYER_KEYS, mergeConfigs, modeLayers, type RawConfig } from "./merge.ts";
import type { ModuleLoader } from "./module-loader.ts";
import { AUTO, detectAdapters, recognise } from "./detect-adapters.ts";
import { collectContributions } from "./contributions.ts";
import { checkNames, operationNames } from "./check-names.ts";
import { createConfigView } from "./config-view.ts";
import { createFindOrigin, type FindOrigin } from "./origin.ts";
import { modelNames, resolveModels } from "./resolve-models.ts";
import {
  checkAgainstConfig,
  checkExactness,
  checkOrder,
  placePlugins,
  resolvePlugins,
  type PlacedPlugin,
} from "./resolve-plugins.ts";
import { resolveBackends, resolveSecret, usedAdapters, type BackendScope } from "./resolve-backends.ts";
import type { ResolvedBackend, ResolvedConfig, ServerConfig, StateConfig } from "./resolved.ts";
import { ConfigSchema, SectionSchemas } from "./schema.ts";
import { toSchemaNode } from "./schema-walk.ts";
import { isMissingSecret, revealSecret } from "./secret.ts";

export type ConfigMode = "production" | "development" | "test";

/** Flags of the command line: they win over everything. */
export interface ConfigOverrides {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly workers?: number | undefined;
}

export interface ResolveOptions {
  /** What relative paths mean, and where `adapters/` is looked for. */
  readonly dir: string;
  /** Named in faults. */
  readonly file?: string | undefined;
  /** Tells where each part of a config of several files was written. Default: all of it in `file`. */
  readonly origin?: FindOrigin | undefined;
  /** Used instead of discovery. */
  readonly adapters?: ReadonlyMap<string, Adapter> | undefined;
  readonly mode?: ConfigMode | undefined;
  /** Where `GATEWRIGHT_…` variables are read. Default: nowhere. */
  readonly env?: EnvironmentVariables | undefined;
  readonly overrides?: ConfigOverrides | undefined;
  /** Reads the user's adapters; default: a fresh one. */
  readonly loader?: ModuleLoader | undefined;
}

export type ResolveResult =
  | { readonly ok: true; readonly config: ResolvedConfig; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly ConfigFault[]; readonly warnings: readonly string[] };

/** Checks a config and fills its defaults. All faults are told at once; nothing is changed in `raw`. */
export async function resolveConfig(raw: unknown, options: ResolveOptions): Promise<ResolveResult> {
  const { dir, file } = options;
  const environment = createEnvironmentOverrides(options.env ?? {});
  const place = file ?? "config";
  if (!isPlainObject(raw)) {
    const list = createFaultList(place);
    list.add([], { expected: "an object", received: describeValue(raw) });
    return { ok: false, faults: list.faults, warnings: [] };
  }
  const layers = modeLayers(raw, place, options.mode ?? "production");
  const merged = mergeConfigs(layers);
  const origin = options.origin ?? createFindOrigin(layers, merged, place);
  const list = createFaultList(origin, environment.origins);
  const warnings: string[] = [];
  checkLayers(raw, list);
  const set = environment.apply(merged, toSchemaNode(ConfigSchema), []);

  checkTopKeys(set, list);
  const placed = placePlugins(set["plugins"], environment, list);
  const missing = checkSecrets(set, placed, list);
  const sections = await checkSections(set, list);
  const pluginList = createFaultList(origin, environment.origins);
  const plugins = await resolvePlugins(placed, pluginList);
  const added = collectContributions(plugins, options.env ?? {});
  const own = isPlainObject(set["backends"]) ? set["backends"] : undefined;
  // The config's own come first, and win.
  const given = own ? { ...own, ...added.backends, ...own } : {};
  const used = usedAdapters(given);
  const found = options.adapters
    ? { adapters: options.adapters, names: [...options.adapters.keys()], faults: [] }
    : await discoverAdapters(dir, used.has(AUTO) ? "all" : used, options.loader);
  const sound = list.faults.length;
  list.faults.push(...found.faults);
  const { backends: rawBackends, absent } = used.has(AUTO)
    ? await detectAdapters(given, found.adapters, list)
    : { backends: given, absent: new Map<string, string>() };
  const scope: BackendScope = {
    adapters: found.adapters,
    adapterNames: found.names,
    timeouts: sections.timeouts,
    environment,
    absent: new Set(absent.keys()),
  };
  const backends = await resolveBackends(own ? rawBackends : set["backends"], scope, list);
  warnings.push(...absent.values());
  const models = await resolveModels(set["models"], rawBackends, list, (warning) => warnings.push(warning));
  const { sameModels, knownVendors } = added;
  const names = modelNames({ models, backends, raw: rawBackends, sameModels, knownVendors });
  const operations = operationNames(placed);
  const view = createConfigView({
    names: Object.keys(given),
    backends,
    models,
    modelNames: names,
    operations,
    knownVendors,
    incomplete: list.faults.length > sound,
  });
  // Without what a faulty plugin would have added, a name that it has would seem to be none.
  const isAdded = placed.every(
    ({ plugin }) => !plugin.definition.contribute || plugins.some((checked) => checked.plugin === plugin),
  );
  if (own && isAdded) checkAgainstConfig(plugins, view, pluginList);
  checkNames({ plugins: set["plugins"], operations, defaultModels: sections.defaultModels }, names, list);

  list.faults.push(...pluginList.faults);
  checkOrder(placed, list);
  const server = resolveServer(sections, options);
  checkExactness(plugins, { workers: server.workers, driver: sections.state.driver }, list);
  const state = resolveState(sections.state, dir, list);
  checkWorkers(server, state, list);

  warnings.push(...environment.warnings([merged, placed.map(({ plugin }) => plugin.options)]));
  const faults = list.faults.filter((fault) => !missing.has(fault.path) || fault.received === "nothing");
  if (faults.length > 0) return { ok: false, faults, warnings };
  return {
    ok: true,
    warnings,
    config: {
      ...(file !== undefined && { file }),
      dir,
      server,
      state,
      log: sections.log,
      backends,
      models,
      defaultModels: sections.defaultModels,
      discovery: sections.discovery,
      sameModels,
      knownVendors,
      timeouts: sections.timeouts,
      plugins,
      absent: [...absent.keys()].map((name) => ({
        name,
        find: () => findAbsent(name, given[name], scope, createFaultList(origin)),
      })),
    },
  };
}

/** What a server that did not answer turns out to be. */
async function findAbsent(
  name: string,
  raw: unknown,
  scope: BackendScope,
  list: FaultList,
): Promise<ResolvedBackend | undefined> {
  const recognised = await recognise(raw, scope.adapters);
  if (recognised.isAway) return undefined;
  if (recognised.why !== undefined) throw new Error(recognised.why);
  const backends = { [name]: recognised.backend };
  const [backend] = await resolveBackends(backends, { ...scope, absent: new Set() }, list);
  if (!backend || list.faults.length > 0)
    throw new Error(list.faults.map(({ message }) => message).join("\n"));
  return backend;
}

const TOP_KEYS: readonly string[] = Object.keys(ConfigSchema.entries);

const SPELLINGS: readonly string[] = [...TOP_KEYS, ...LAYER_KEYS, "extends"];

function checkTopKeys(raw: RawConfig, list: FaultList): void {
  for (const [key, value] of Object.entries(raw)) {
    if (TOP_KEYS.includes(key) || key === "$schema") continue;
    list.add([key], {
      expected: `one of ${TOP_KEYS.join(", ")}`,
      received: describeValue(value),
      message: `${list.place([key])} is not a part of the config`,
      hint: key === "extends" ? "Only config files extend others." : didYouMean(key, SPELLINGS),
    });
  }
}

/** What `$production` and the like hold; what is in them is checked when they apply. */
export function checkLayers(raw: RawConfig, list: FaultList): void {
  for (const [key, layer] of Object.entries(raw)) {
    if (LAYER_KEYS.has(key) && layer !== undefined && !isPlainObject(layer)) {
      list.add([key], { expected: "an object", received: describeValue(layer) });
    }
  }
}

/** A variable that is not set is one fault, told at its path; returns the paths. */
function checkSecrets(raw: RawConfig, placed: readonly PlacedPlugin[], list: FaultList): Set<string> {
  const missing = new Set<string>();
  const secrets = [
    ...secretsIn(raw),
    ...placed.flatMap(({ options, path }) => [...secretsIn(options, path)]),
  ];
  for (const { path, name } of secrets.filter((secret) => secret.missing)) {
    missing.add(list.place(path));
    list.add(path, {
      expected: `the environment variable ${name}`,
      received: "nothing",
      message: `${list.place(path)}: the environment variable ${name} is not set`,
      hint: `Set it, or write ${name}=… into .env.`,
    });
  }
  return missing;
}

type Sections = { [Key in keyof typeof SectionSchemas]: v.InferOutput<(typeof SectionSchemas)[Key]> };

/** A section with faults is taken with its defaults, so that the rest can still be checked. */
async function checkSections(raw: RawConfig, list: FaultList): Promise<Sections> {
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(SectionSchemas)) {
    sections[key] = (await checkValue(schema, raw[key], [key], list)) ?? v.parse(schema, undefined);
  }
  return sections as Sections;
}

/** In-flight requests get as long as a stream may last, and never less than this, unless the config says so. */
const LEAST_DRAIN_MS = 60_000;

function resolveServer(
  { server, timeouts }: Sections,
  { mode, overrides = {} }: ResolveOptions,
): ServerConfig {
  const host = mode === "development" ? "127.0.0.1" : "0.0.0.0";
  return {
    ...server,
    host: withoutBrackets(overrides.host ?? server.host ?? host),
    port: overrides.port ?? server.port,
    workers: overrides.workers ?? server.workers,
    preStopDelayMs: mode === "development" ? 0 : server.preStopDelayMs,
    drainTimeoutMs: server.drainTimeoutMs ?? Math.max(LEAST_DRAIN_MS, timeouts.maxStreamMs),
  };
}

/** `[::1]` is how URLs spell the address `::1` (RFC 3986, section 3.2.2). */
function withoutBrackets(host: string): string {
  return /^\[(.+:.*)\]$/.exec(host)?.[1] ?? host;
}

/** A folder of file state is held by one process. */
function checkWorkers({ workers }: ServerConfig, { driver }: StateConfig, list: FaultList): void {
  if (driver !== "file" || workers === 1) return;
  list.add(["state", "driver"], {
    expected: `one that ${workers} workers can share`,
    received: '"file", which takes one process',
    hint: 'Set `state: { driver: "redis", url }`, or `server.workers: 1`.',
  });
}

function resolveState(state: Sections["state"], dir: string, list: FaultList): StateConfig {
  if (state.driver === "memory") return state;
  if (state.driver === "file") return { ...state, dir: resolvePath(dir, state.dir) };
  const url = resolveSecret(state.url, ["state", "url"], list);
  if (url !== undefined && !isMissingSecret(url) && !/^rediss?:\/\//.test(revealSecret(url))) {
    list.add(["state", "url"], { expected: "a redis:// or rediss:// URL", received: "another text" });
  }
  return { ...state, url: url ?? state.url };
}
