import type { Context } from "gatewright";
import type { Limits, TimeoutOptions } from "./options.ts";

/**
 * Finds the limits of a request, `undefined` where none holds: the model's win over the operation's, and those over
 * the general ones, one by one.
 */
export function createLimitsTable({
  operations,
  models,
  ...general
}: TimeoutOptions): (ctx: Pick<Context, "operation" | "model">) => Limits | undefined {
  const byOperation = new Map<string, Limits>(Object.entries(operations));
  const byModel = new Map(Object.entries(models));
  const made = new Map<string, Limits | undefined>();

  return ({ operation: { name }, model }) => {
    const ofModel = byModel.get(model);
    const key = ofModel ? `${name} ${model}` : name;
    if (!made.has(key)) made.set(key, merge(general, byOperation.get(name), ofModel));
    return made.get(key);
  };
}

function merge(...layers: (Limits | undefined)[]): Limits | undefined {
  const limits: Limits = Object.assign({}, ...layers);
  return Object.values(limits).some((limit) => limit !== undefined) ? limits : undefined;
}
