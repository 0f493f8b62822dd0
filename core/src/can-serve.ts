import type { OperationMapping } from "./adapter.ts";
import type { Operation, OperationName } from "./operation.ts";
import type { Target } from "./target.ts";

type Served = Pick<Target, "backend" | "model">;

/** The adapter's own mapping of an operation for this model, whichever of its doors the client came through. */
export function directMapping(target: Served, operation: Operation): OperationMapping | undefined {
  return mappingOf(target, operation.mappedAs ?? operation.name);
}

/** The mapping of the operation that stands in for one that the adapter does not have. */
export function bridgedMapping(target: Served, { bridge }: Operation): OperationMapping | undefined {
  return bridge && mappingOf(target, bridge.operation);
}

/** A backend can do an operation when its adapter maps it, or the operation that stands in for it. */
export function canServe(target: Served, operation: Operation): boolean {
  return (directMapping(target, operation) ?? bridgedMapping(target, operation)) !== undefined;
}

function mappingOf({ backend, model }: Served, name: OperationName): OperationMapping | undefined {
  const { operations } = backend.adapter;
  const mapping = Object.hasOwn(operations, name) ? operations[name] : undefined;
  return mapping?.serves?.(model, backend.options) === false ? undefined : mapping;
}
