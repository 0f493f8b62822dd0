import type { FaultList } from "./check.ts";
import { describeValue, type Path } from "./fault.ts";
import type { RawConfig } from "./merge.ts";
import type { PlacedLayer } from "./origin.ts";
import { isPlainObject } from "./plain-object.ts";

/** What a gateway runs for. */
export type ConfigMode = "production" | "development" | "test";

/** Keys that hold layers of a config, not parts of it. */
export const LAYER_KEYS: ReadonlySet<string> = new Set(["$production", "$development", "$test", "$env"]);

/** A config of a file without its layers, under those that apply in a mode: the strongest first. */
export function modeLayers(
  config: RawConfig,
  file: string,
  mode: string,
  envName: string = mode,
): PlacedLayer[] {
  const { $env } = config;
  const own = Object.fromEntries(Object.entries(config).filter(([key]) => !LAYER_KEYS.has(key)));
  const layers: readonly (readonly [Path, unknown])[] = [
    [["$env", envName], isPlainObject($env) ? $env[envName] : undefined],
    [[`$${mode}`], config[`$${mode}`]],
    [[], own],
  ];
  return layers.flatMap(([at, layer]) => (isPlainObject(layer) ? [{ config: layer, file, at }] : []));
}

/** The environments for which a config has layers. */
export function layerNames(config: RawConfig): string[] {
  const { $env } = config;
  const modes = [...LAYER_KEYS].filter((key) => key !== "$env" && config[key] !== undefined);
  return [...modes.map((key) => key.slice(1)), ...(isPlainObject($env) ? Object.keys($env) : [])];
}

/** What `$production` and the like hold; what is in them is checked when they apply. */
export function checkLayers(raw: RawConfig, list: FaultList): void {
  const { $env } = raw;
  const named = isPlainObject($env) ? Object.entries($env) : [];
  const layers: readonly (readonly [Path, unknown])[] = [
    ...[...LAYER_KEYS].map((key) => [[key], raw[key]] as const),
    ...named.map(([name, layer]) => [["$env", name], layer] as const),
  ];
  for (const [path, layer] of layers)
    if (layer !== undefined && !isPlainObject(layer))
      list.add(path, { expected: "an object", received: describeValue(layer) });
}
