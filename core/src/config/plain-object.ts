import { hasBrand } from "../brand.ts";
import { isCondition } from "./when.ts";

/** Not a plugin, secret, URL or another thing with an identity of its own. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype &&
    !isBranded(value)
  );
}

function isBranded(value: object): boolean {
  return hasBrand("plugin", value) || isCondition(value) || hasBrand("adapter", value);
}
