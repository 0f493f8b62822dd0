import { canonicalJson } from "gatewright";
import { createHash } from "node:crypto";
import type { Context } from "gatewright";

/** Changes when the meaning of a key does. */
const VERSION = "1";

/** SHA-256 over everything that an answer depends on, each part with its length: who asks, what, of which model. */
export function answerKey({ principal, operation, model, body }: Context): string {
  const hash = createHash("sha256");
  const parts = [
    VERSION,
    principal?.tenant ?? "",
    principal?.id ?? "",
    operation.name,
    model,
    canonicalJson(body.json),
  ];
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("base64");
}
