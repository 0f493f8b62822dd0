import type { Contribution } from "../plugin.ts";
import type { FaultList } from "./check.ts";
import type { EnvironmentVariables } from "./environment.ts";
import { callPlugin, checkContribution } from "./plugin-contract.ts";
import type { ResolvedPlugin } from "./resolved.ts";

export interface Contributions {
  /** Raw, as a config would have them; the first plugin that adds a name has its way. */
  readonly backends: Readonly<Record<string, unknown>>;
  readonly sameModels: readonly (readonly string[])[];
  readonly knownVendors: readonly string[];
}

/** What the plugins of a config add to it. */
export async function collectContributions(
  plugins: readonly ResolvedPlugin[],
  environment: EnvironmentVariables,
  list: FaultList,
): Promise<Contributions> {
  const all: Contribution[] = [];
  for (const { plugin, options, path } of plugins) {
    const { definition } = plugin;
    if (!definition.contribute) continue;
    const before = list.faults.length;
    const contribute = () => definition.contribute!(options, environment);
    const added: unknown = await callPlugin("contribute", contribute, path, list);
    if (list.faults.length === before && checkContribution(added, path, list)) all.push(added);
  }
  return {
    backends: Object.assign({}, ...all.map(({ backends }) => backends).toReversed()) as Record<
      string,
      unknown
    >,
    sameModels: all.flatMap(({ sameModels = [] }) => sameModels),
    knownVendors: [...new Set(all.flatMap(({ knownVendors = [] }) => knownVendors))],
  };
}
