import { createHash } from "node:crypto";
import type { Context } from "./context.ts";

/**
 * Whose something is that a client left here or at a backend: a digest, since ids of principals are of any length and
 * form. Without authentication all clients are one.
 */
export function ownerOf({ principal }: Context): string {
  return principal ? createHash("sha256").update(principal.id).digest("hex").slice(0, 32) : "anybody";
}
