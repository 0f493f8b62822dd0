import { canonicalJson, digestParts } from "gatewright";
import type { Context } from "gatewright";

/** A digest of everything that an answer depends on: who asks, what, of which model. */
export function answerKey({ principal, operation, model, body }: Context): string {
  return digestParts([
    principal?.tenant ?? "",
    principal?.id ?? "",
    operation.name,
    model,
    canonicalJson(body.json),
  ]);
}
