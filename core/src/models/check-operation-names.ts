import { didYouMean } from "../config/check.ts";
import type { ResolvedConfig } from "../config/resolved.ts";

/**
 * Refuses names of operations that nothing here has: such a condition would never hold, such a default never be asked
 * for. Plugins add operations when they are set up, so that this is known only then.
 */
export function checkOperationNames(
  { plugins, defaultModels }: Pick<ResolvedConfig, "plugins" | "defaultModels">,
  operations: ReadonlyMap<string, unknown>,
): void {
  const faults: string[] = [];
  const check = (name: string, place: string): void => {
    if (operations.has(name)) return;
    const hint = didYouMean(name, operations.keys());
    faults.push(`${place}: there is no operation \`${name}\`.${hint ? ` ${hint}` : ""}`);
  };
  for (const { plugin, conditions } of plugins)
    for (const { operations: names = [] } of conditions)
      for (const name of names) check(name, `the when() around \`${plugin.name}\``);
  for (const name of Object.keys(defaultModels)) check(name, "defaultModels");
  if (faults.length > 0) throw new Error([...new Set(faults)].join("\n"));
}
