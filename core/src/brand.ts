/**
 * Identity across copies of this package. A config file and its plugins may be evaluated by another module
 * instance than the server (a reload, a second installed version), so `instanceof` does not hold; a mark under a
 * registered symbol does.
 */
const BRAND = Symbol.for("gatewright.brand");

export type Brand =
  | "plugin"
  | "condition"
  | "adapter"
  | "operation"
  | "error"
  | "secret"
  | "atomic-op"
  | "config";

export function brand<T extends object>(kind: Brand, value: T): T {
  Object.defineProperty(value, BRAND, { value: kind });
  return value;
}

export function hasBrand(kind: Brand, value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === kind;
}
