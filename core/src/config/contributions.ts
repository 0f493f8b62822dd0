import type { EnvironmentVariables } from "./environment.ts";
import type { ResolvedPlugin } from "./resolved.ts";

export interface Contributions {
  /** Raw, as a config would have them; the first plugin that adds a name has its way. */
  readonly backends: Readonly<Record<string, unknown>>;
  readonly sameModels: readonly (readonly string[])[];
  readonly knownVendors: readonly string[];
}

/** What the plugins of a config add to it. */
export function collectContributions(
  plugins: readonly ResolvedPlugin[],
  environment: EnvironmentVariables,
): Contributions {
  const all = plugins.flatMap(
    ({ plugin, options }) => plugin.definition.contribute?.(options, environment) ?? [],
  );
  return {
    backends: Object.assign({}, ...all.map(({ backends }) => backends).toReversed()) as Record<
      string,
      unknown
    >,
    sameModels: all.flatMap(({ sameModels = [] }) => sameModels),
    knownVendors: [...new Set(all.flatMap(({ knownVendors = [] }) => knownVendors))],
  };
}
