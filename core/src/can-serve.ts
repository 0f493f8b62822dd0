import type { Adapter, OperationMapping } from "./adapter.ts";
import type { Operation } from "./operation.ts";

/** The adapter's own mapping of an operation, whichever of its doors the client came through. */
export function directMapping(adapter: Adapter, operation: Operation): OperationMapping | undefined {
  const name = operation.mappedAs ?? operation.name;
  return Object.hasOwn(adapter.operations, name) ? adapter.operations[name] : undefined;
}

/** A backend can do an operation when its adapter maps it, or the operation that stands in for it. */
export function canServe(adapter: Adapter, operation: Operation): boolean {
  if (directMapping(adapter, operation)) return true;
  return operation.bridge !== undefined && Object.hasOwn(adapter.operations, operation.bridge.operation);
}
