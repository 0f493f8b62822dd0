import type { PlacedLayer } from "./origin.ts";
import { isPlainObject } from "./plain-object.ts";
import { isCondition } from "./when.ts";

/** A config, or a layer of one, before any check. */
export type RawConfig = Record<string, unknown>;

/**
 * Lays the first config over the others. Objects merge key by key and lists replace; the plugin list alone merges
 * by name, so that a layer can change one plugin of its base.
 */
export function mergeConfigs(layers: readonly PlacedLayer[]): RawConfig {
  return layers.reduceRight((base, { config }) => mergeObjects(config, base, true), {} as RawConfig);
}

function mergeObjects(over: RawConfig, base: RawConfig, top: boolean): RawConfig {
  const merged: RawConfig = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = base[key];
    if (top && key === "plugins" && Array.isArray(value) && Array.isArray(below)) {
      merged[key] = mergePlugins(value, below);
    } else {
      merged[key] = isPlainObject(value) && isPlainObject(below) ? mergeObjects(value, below, false) : value;
    }
  }
  return merged;
}

/**
 * The base's list, in its order. The nth entry of a name in `over` takes the place of the nth of that name in the
 * base; names that the base has not come after it. A `when()` goes by its condition.
 */
function mergePlugins(over: readonly unknown[], base: readonly unknown[]): unknown[] {
  const merged = [...base];
  const places = new Map<string, number[]>();
  base.forEach((entry, index) => {
    const name = pluginKey(entry);
    places.set(name, [...(places.get(name) ?? []), index]);
  });
  for (const entry of over) {
    const place = places.get(pluginKey(entry))?.shift();
    if (place === undefined) merged.push(entry);
    else merged[place] = entry;
  }
  return merged;
}

function pluginKey(entry: unknown): string {
  if (isCondition(entry)) return `when ${JSON.stringify(entry.condition)}`;
  if (typeof entry === "string") return entry;
  const name = (entry as { name?: unknown } | null | undefined)?.name;
  return typeof name === "string" ? name : "";
}
