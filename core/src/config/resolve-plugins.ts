import { hasBrand } from "../brand.ts";
import type { ChainFact, ConfigView, Plugin } from "../plugin.ts";
import { checkValue, didYouMean, type FaultList } from "./check.ts";
import type { EnvironmentOverrides } from "./environment.ts";
import { describeValue, type Path } from "./fault.ts";
import type { RawConfig } from "./merge.ts";
import { NOT_LOADED } from "./named-plugins.ts";
import { isPlainObject } from "./plain-object.ts";
import { callPlugin, checkDefinition, checkUnknownNames } from "./plugin-contract.ts";
import type { Condition, ResolvedPlugin } from "./resolved.ts";
import { toSchemaNode } from "./schema-walk.ts";
import { isCondition } from "./when.ts";

/** What core gives to the whole chain. */
const CORE_FACTS: ReadonlySet<ChainFact> = new Set(["body", "model", "candidates"]);

const CONDITION_KEYS = ["operations", "models"];

/** A plugin of the flattened list, with the place it was written at. */
export interface PlacedPlugin {
  readonly plugin: Plugin;
  /** As written, under what the environment says. */
  readonly options: unknown;
  readonly conditions: readonly Condition[];
  readonly path: Path;
}

/** Unfolds `when()` and refuses what is no plugin. A variable names a plugin by its name, or by its place. */
export function placePlugins(
  entries: unknown,
  environment: EnvironmentOverrides,
  list: FaultList,
): PlacedPlugin[] {
  const placed = flattenList(entries, list);
  return placed.map(({ plugin, conditions, path }) => {
    const node = toSchemaNode(plugin.definition.options);
    const alone = placed.filter((other) => other.plugin.name === plugin.name).length === 1;
    const named = alone
      ? environment.apply(plugin.options, node, ["plugins", plugin.name], path)
      : plugin.options;
    return { plugin, options: environment.apply(named, node, path.slice(0, -1), path), conditions, path };
  });
}

function flattenList(entries: unknown, list: FaultList): PlacedPlugin[] {
  if (entries === undefined) return [];
  if (!Array.isArray(entries)) {
    list.add(["plugins"], { expected: "a list", received: describeValue(entries) });
    return [];
  }
  return entries.flatMap((entry, index) => flatten(entry, ["plugins", index], [], list));
}

function flatten(
  entry: unknown,
  path: Path,
  conditions: readonly Condition[],
  list: FaultList,
): PlacedPlugin[] {
  if (entry === NOT_LOADED) return [];
  if (hasBrand("plugin", entry)) {
    const plugin = entry as Plugin;
    const { name }: { name: unknown } = plugin;
    const own = [...path, String(name)];
    if (!checkDefinition(plugin.definition, own, list)) return [];
    return [{ plugin, options: plugin.options, conditions, path: own }];
  }
  if (isCondition(entry)) {
    checkCondition(entry.condition, [...path, "when"], list);
    const inner = [...conditions, entry.condition];
    return entry.plugins.flatMap((one, index) => flatten(one, [...path, "when", index], inner, list));
  }
  list.add(path, { expected: "a plugin", received: describeValue(entry), hint: notAPlugin(entry) });
  return [];
}

function notAPlugin(entry: unknown): string {
  if (typeof entry === "function") {
    const { definition } = entry as { definition?: { name: string } };
    const name = definition?.name ?? (entry.name || "the function");
    return definition
      ? `This is the factory of \`${name}\`: call it, with its options or with none.`
      : `\`${name}\` is a function; plugins are made by calling a factory of defineGatewayPlugin().`;
  }
  if (Array.isArray(entry)) return "Spread a list into its place: `...list`.";
  if (entry instanceof Promise) return "It is a promise: await it.";
  if (entry === false || entry === undefined || entry === null) {
    return "To leave a plugin out, spread a list: `...(on ? [plugin()] : [])`.";
  }
  if (isPlainObject(entry)) return howToName(entry);
  return "Plugins are made by calling a factory of defineGatewayPlugin().";
}

/** JSON, YAML and TOML name a plugin; a key is easily taken for its name. */
function howToName(entry: RawConfig): string {
  const [key, ...others] = Object.keys(entry);
  const name = typeof entry["name"] === "string" ? entry["name"] : others.length > 0 ? undefined : key;
  return `Write a plugin by its name, { "name": ${JSON.stringify(name ?? "…")}, "options": { … } }, or call its factory.`;
}

function checkCondition(condition: unknown, path: Path, list: FaultList): void {
  if (!isPlainObject(condition)) {
    list.add(path, { expected: "an object with operations or models", received: describeValue(condition) });
    return;
  }
  for (const [key, value] of Object.entries(condition)) {
    const names = Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
    if (!CONDITION_KEYS.includes(key)) {
      list.add([...path, key], {
        expected: "operations or models",
        received: describeValue(value),
        message: `${list.place([...path, key])} is no condition`,
        hint: didYouMean(key, CONDITION_KEYS),
      });
    } else if (value !== undefined && !names) {
      list.add([...path, key], { expected: "a list of names, not empty", received: describeValue(value) });
    }
  }
}

/** Every `when()` of a list, with its place. */
export function* conditionsIn(
  entries: unknown,
  at: Path = ["plugins"],
): Generator<{ condition: Partial<Condition> | undefined; path: Path }> {
  if (!Array.isArray(entries)) return;
  for (const [index, entry] of entries.entries()) {
    if (!isCondition(entry)) continue;
    const path = [...at, index, "when"];
    yield { condition: entry.condition, path };
    yield* conditionsIn(entry.plugins, path);
  }
}

/** Checks the options of each plugin. */
export async function resolvePlugins(
  placed: readonly PlacedPlugin[],
  list: FaultList,
): Promise<ResolvedPlugin[]> {
  const resolved: ResolvedPlugin[] = [];
  for (const { plugin, options: given, conditions, path } of placed) {
    const before = list.faults.length;
    const check = () => checkValue(plugin.definition.options, given, path, list);
    const options = await callPlugin("options", check, path, list);
    if (list.faults.length === before) resolved.push({ plugin, options, conditions, path });
  }
  return resolved;
}

/** Refuses options that name what the rest of the config does not have. */
export async function checkAgainstConfig(
  resolved: readonly ResolvedPlugin[],
  config: ConfigView,
  list: FaultList,
): Promise<void> {
  for (const { plugin, options, path } of resolved) {
    const { definition } = plugin;
    if (!definition.check) continue;
    const before = list.faults.length;
    const names: unknown = await callPlugin("check", () => definition.check!(options, config), path, list);
    if (list.faults.length > before || !checkUnknownNames(names, path, list)) continue;
    for (const { path: below, expected, received, known } of names)
      list.add([...path, ...below], {
        expected,
        received: describeValue(received, true),
        hint: didYouMean(received, Array.from(known, String)),
      });
  }
}

/** Refuses an order in which a plugin comes before what it needs. */
export function checkOrder(placed: readonly PlacedPlugin[], list: FaultList): void {
  placed.forEach(({ plugin, conditions, path }, index) => {
    for (const need of plugin.definition.needs ?? []) {
      if (CORE_FACTS.has(need)) continue;
      const givers = placed.filter((other) => other.plugin.definition.gives?.includes(need));
      const covers = (giver: PlacedPlugin): boolean => isWithin(conditions, giver.conditions);
      if (placed.slice(0, index).some((other) => givers.includes(other) && covers(other))) continue;
      const later = givers.find((giver) => placed.indexOf(giver) > index && covers(giver));
      const partial = givers.find((giver) => !covers(giver));
      const own = list.place(path.slice(0, -1));
      list.add(path, {
        expected: `a plugin before it that gives \`${need}\``,
        received: later ? "one after it" : partial ? "one that runs only under a condition" : "none",
        message: `\`${plugin.name}\` (${own}) needs \`${need}\`, which nothing before it gives`,
        hint: later
          ? `Move \`${later.plugin.name}\` (${list.place(later.path.slice(0, -1))}) before ${own}.`
          : partial
            ? `\`${partial.plugin.name}\` gives it, but only under a condition that \`${plugin.name}\` does not have: take it out of its when(), or put both into one.`
            : `List a plugin that gives \`${need}\` before it.`,
      });
    }
  });
}

/** True when every outer condition holds wherever the inner ones do. */
function isWithin(inner: readonly Condition[], outer: readonly Condition[]): boolean {
  const texts = new Set(inner.map((condition) => JSON.stringify(condition)));
  return outer.every((condition) => texts.has(JSON.stringify(condition)));
}

/** Refuses exact counts that several processes could not keep. */
export async function checkExactness(
  resolved: readonly ResolvedPlugin[],
  { workers, driver }: { workers: number; driver: string },
  list: FaultList,
): Promise<void> {
  if (workers === 1 || driver === "redis") return;
  for (const { plugin, options, path } of resolved) {
    const { exact } = plugin.definition;
    const isExact = typeof exact === "function" ? () => exact(options) : () => exact;
    if (!(await callPlugin("exact", isExact, path, list))) continue;
    list.add(path, {
      expected: `state that ${workers} workers share`,
      received: `${driver} state, which each worker has for itself`,
      message: `\`${plugin.name}\` promises exact counts, which ${workers} workers cannot keep in ${driver} state`,
      hint: 'Set `state: { driver: "redis", url }`, or `server.workers: 1`.',
    });
  }
}
