import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import * as v from "valibot";
import { STARTER_TABLE } from "./starter-table.ts";

const Name = v.pipe(v.string(), v.nonEmpty());

export const CanonicalNamesOptions = v.strictObject({
  /** Names of servers, by the public name of the model. They win over the starter table. @default {} */
  names: v.optional(v.record(Name, v.array(Name)), {}),
  /** Also the names that the package knows. @default true */
  starterTable: v.optional(v.boolean(), true),
});

export type CanonicalNamesOptions = v.InferOutput<typeof CanonicalNamesOptions>;

/**
 * Lets clients ask for a model by its public name or by any that a server gives it. It adds to the config and has no
 * part in requests: its place in the list does not matter.
 */
export const canonicalNames: GatewayPluginFactory<typeof CanonicalNamesOptions> = defineGatewayPlugin({
  name: "canonical-names",
  options: CanonicalNamesOptions,
  contribute({ names, starterTable }) {
    const rows = starterTable ? { ...STARTER_TABLE, ...names } : names;
    // Own rows first: the first row that holds a name has it.
    const ordered = [
      ...Object.keys(names),
      ...Object.keys(rows).filter((name) => !Object.hasOwn(names, name)),
    ];
    return { sameModels: ordered.map((name) => [name, ...rows[name]!]) };
  },
  setup: () => ({}),
});
