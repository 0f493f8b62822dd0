import { asBuffer } from "../as-buffer.ts";
import { GatewayError } from "../errors.ts";
import { scanJson } from "./json-text.ts";

/**
 * The members of a JSON object by name, each as the bytes in which it came: for what brings a body that is to go on as it
 * is. Throws `invalid_json` for what is no object, and `duplicate_field`. That the text is UTF-8 is not checked here.
 */
export function readJsonMembers(text: Uint8Array): ReadonlyMap<string, Buffer> {
  const { open, spans, count } = scanJson(text);
  if (open < 0) throw new GatewayError("invalid_json", { message: "Expected a JSON object" });
  const buffer = asBuffer(text);
  const members = new Map<string, Buffer>();
  for (let at = 0; at < count; at += 4) {
    const name = JSON.parse(buffer.toString("utf8", spans[at], spans[at + 1])) as string;
    if (members.has(name)) throw new GatewayError("duplicate_field", { param: name });
    members.set(name, buffer.subarray(spans[at + 2], spans[at + 3]));
  }
  return members;
}
