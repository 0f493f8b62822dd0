import { digestParts } from "gatewright";
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
    id: digestParts([principal?.tenant ?? "", principal?.id ?? "", operation.name, key]),
    fingerprint: digestParts([model, String(stream), body.bytes ?? JSON.stringify(body.json)]),
  };
}
