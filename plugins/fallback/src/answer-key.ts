import { stringifyJson } from "gatewright";
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

/** JSON without choices: members in order of their names, no white space (in the manner of RFC 8785). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return stringifyJson(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}
