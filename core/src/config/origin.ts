import type { Path } from "./fault.ts";
import type { RawConfig } from "./merge.ts";
import { isPlainObject } from "./plain-object.ts";

/** A part of a config that is written in one place: a file, or a `$production` and the like within it. */
export interface PlacedLayer {
  readonly config: RawConfig;
  readonly file: string;
  /** Where it stands in the file. */
  readonly at: Path;
}

/** A place of the merged config, as it is written. */
export interface Origin {
  readonly file: string;
  readonly path: Path;
}

export type FindOrigin = (path: Path) => Origin;

/**
 * Tells where a place of the merged config was written. `layers` are those that it was merged of, the strongest first;
 * where none of them has it, it is missing in the strongest that has what is around it.
 */
export function createFindOrigin(
  layers: readonly PlacedLayer[],
  merged: RawConfig,
  file: string,
): FindOrigin {
  const { plugins } = merged;
  const entries: readonly unknown[] = Array.isArray(plugins) ? plugins : [];
  return (path) => {
    const [section, index, ...rest] = path;
    if (section === "plugins" && typeof index === "number") {
      const found = findEntry(layers, entries, index);
      if (found) return { file: found.file, path: [...found.at, ...rest] };
    }
    const layer = findLayer(layers, path);
    return layer ? { file: layer.file, path: [...layer.at, ...path] } : { file, path };
  };
}

/** Lists of plugins merge by name: an entry has another index in the file than in the merged list. */
function findEntry(
  layers: readonly PlacedLayer[],
  entries: readonly unknown[],
  index: number,
): { file: string; at: Path } | undefined {
  const entry = entries[index];
  const before = entries.slice(0, index).filter((other) => other === entry).length;
  for (const { config, file, at } of layers) {
    if (!Array.isArray(config["plugins"])) continue;
    const places = config["plugins"].flatMap((other, place) => (other === entry ? [place] : []));
    if (places.length > 0) return { file, at: [...at, "plugins", places[before] ?? places[0]!] };
  }
  return undefined;
}

function findLayer(layers: readonly PlacedLayer[], path: Path): PlacedLayer | undefined {
  let having = layers.map((layer) => ({ layer, value: layer.config as unknown }));
  for (const key of path) {
    // What is no object of settings replaces what weaker layers have.
    const mergeable = isPlainObject(having[0]?.value) ? having : having.slice(0, 1);
    const inner = mergeable
      .map(({ layer, value }) => ({
        layer,
        value: (value as Record<string | number, unknown> | null | undefined)?.[key],
      }))
      .filter(({ value }) => value !== undefined);
    if (inner.length === 0) break;
    having = inner;
  }
  return having[0]?.layer;
}
