import { createHash } from "node:crypto";
import type { Context } from "gatewright";

/** Digests, in hex, under which a request with a key is kept. */
export interface RequestIdentity {
  /** Who asks for what under which key. */
  readonly id: string;
  /** What is asked: the same key with another one is a mistake. */
  readonly fingerprint: string;
}

export function identify(
  { principal, operation, model, stream, body }: Context,
  key: string,
): RequestIdentity {
  return {
    id: digest([principal?.tenant ?? "", principal?.id ?? "", operation.name, key]),
    fingerprint: digest([model, String(stream), body.bytes ?? JSON.stringify(body.json)]),
  };
}

/** Each part with its length, so that no two lists of parts are one text. */
function digest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}
