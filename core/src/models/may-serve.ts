import { canServe } from "../can-serve.ts";
import type { Operation, OperationName } from "../operation.ts";
import { coreOperations } from "../operations/index.ts";
import type { Target } from "../target.ts";

/**
 * A target can do an operation when its backend's adapter can, and its model is for it. A list that says what a model
 * is for speaks of core's operations; further ones count as what stands behind them.
 */
export function mayServe(target: Target, operation: Operation): boolean {
  if (!canServe(target, operation)) return false;
  const { operations } = target;
  if (operations === undefined) return true;
  const means = operation.bridge?.operation ?? operation.mappedAs ?? operation.name;
  return operations.includes(operation.name) || operations.includes(means) || !isOfCore(means);
}

function isOfCore(name: OperationName): boolean {
  return coreOperations.some((operation) => operation.name === name);
}
