import { randomUUID } from "node:crypto";

/** An id that nothing else has: a prefix and 32 hexadecimal digits, or fewer. */
export function newId(prefix: string, digits = 32): string {
  return `${prefix}_${randomUUID().replaceAll("-", "").slice(0, digits)}`;
}
