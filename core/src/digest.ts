import { createHash } from "node:crypto";

/** SHA-256 over parts, in hex, each with its length before it, so that no two lists of parts are one text. */
export function digestParts(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}
