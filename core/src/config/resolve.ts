import type { Adapter } from "../adapter.ts";
import { AUTO, detectAdapters, recognise, type DetectedBackends } from "./auto-backends.ts";
import { createFaultList, didYouMean, type FaultList } from "./check.ts";
import { checkNames, operationNames } from "./check-names.ts";
import { createConfigView } from "./config-view.ts";
import { collectContributions, type Contributions } from "./contributions.ts";
import { discoverAdapters } from "./discover-adapters.ts";
import { createEnvironmentOverrides, secretsIn, type EnvironmentVariables } from "./environment.ts";
import { describeValue, type ConfigFault } from "./fault.ts";
import { mergeConfigs, type RawConfig } from "./merge.ts";
import { checkLayers, LAYER_KEYS, modeLayers, type ConfigMode } from "./mode-layers.ts";
import type { ModuleLoader } from "./module-loader.ts";
import { createFindOrigin, type FindOrigin } from "./origin.ts";
import { isPlainObject } from "./plain-object.ts";
import { modelNames, resolveModels } from "./resolve-models.ts";
import {
  checkAgainstConfig,
  checkExactness,
  checkOrder,
  placePlugins,
  resolvePlugins,
  type PlacedPlugin,
} from "./resolve-plugins.ts";
import { resolveBackends, usedAdapters, type BackendScope } from "./resolve-backends.ts";
import {
  checkSections,
  checkWorkers,
  resolveServer,
  resolveState,
  type ConfigOverrides,
} from "./resolve-sections.ts";
import type { ResolvedBackend, ResolvedConfig } from "./resolved.ts";
import { ConfigSchema } from "./schema.ts";
import { toSchemaNode } from "./schema-walk.ts";

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
  const checkedFaults = pluginList.faults.length;
  const added = await collectContributions(plugins, options.env ?? {}, pluginList);

  const own = isPlainObject(set["backends"]) ? set["backends"] : undefined;
  const faultsBefore = list.faults.length;
  const gathered = await gatherBackends(own, added, options, list);
  const { given, backends: rawBackends, absent } = gathered;
  const scope: BackendScope = {
    ...gathered.adapters,
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
    incomplete: list.faults.length > faultsBefore,
  });
  // Without what a faulty plugin would have added, a name that it has would seem to be none.
  const isAdded =
    pluginList.faults.length === checkedFaults &&
    placed.every(
      ({ plugin }) => !plugin.definition.contribute || plugins.some((checked) => checked.plugin === plugin),
    );
  if (own && isAdded) await checkAgainstConfig(plugins, view, pluginList);
  checkNames({ plugins: set["plugins"], operations, defaultModels: sections.defaultModels }, names, list);

  list.faults.push(...pluginList.faults);
  checkOrder(placed, list);
  const server = resolveServer(sections, options);
  await checkExactness(plugins, { workers: server.workers, driver: sections.state.driver }, list);
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

interface GatheredBackends extends DetectedBackends {
  /** The raw backends, all as they are written. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly adapters: Pick<BackendScope, "adapters" | "adapterNames">;
}

/** The backends of a config and those that its plugins add, with the adapters that they ask for. */
async function gatherBackends(
  own: Readonly<Record<string, unknown>> | undefined,
  added: Contributions,
  options: ResolveOptions,
  list: FaultList,
): Promise<GatheredBackends> {
  // The config's own come first, and win.
  const given = own ? { ...own, ...added.backends, ...own } : {};
  const used = usedAdapters(given);
  const found = options.adapters
    ? { adapters: options.adapters, names: [...options.adapters.keys()], faults: [] }
    : await discoverAdapters(options.dir, used.has(AUTO) ? "all" : used, options.loader);
  list.faults.push(...found.faults);
  const { backends, absent } = used.has(AUTO)
    ? await detectAdapters(given, found.adapters, list)
    : { backends: given, absent: new Map<string, string>() };
  return { given, backends, absent, adapters: { adapters: found.adapters, adapterNames: found.names } };
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
