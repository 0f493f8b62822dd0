import { brand, hasBrand } from "../brand.ts";
import type { Plugin } from "../plugin.ts";
import type { Condition } from "./resolved.ts";

/** A part of the `plugins` list that runs only for some requests. */
export interface PluginCondition {
  readonly condition: Condition;
  readonly plugins: readonly (Plugin | PluginCondition)[];
}

/**
 * Runs plugins only for some operations or models; every other request passes them by. Nests, and then all
 * conditions hold.
 *
 * @example when({ operations: ["chat"] }, responseCache({ ttlMs: 60_000 }))
 */
export function when(
  condition: Condition,
  ...plugins: readonly (Plugin | PluginCondition)[]
): PluginCondition {
  return brand("condition", { condition, plugins });
}

export function isCondition(value: unknown): value is PluginCondition {
  return hasBrand("condition", value);
}
