import { asBuffer } from "./as-buffer.ts";
import { parseJson, stringifyJson } from "./body/exact-json.ts";
import { isJsonObject } from "./json-object.ts";
import type { JsonObject } from "./operation.ts";
import type { Reply } from "./reply.ts";

/** A whole reply of JSON, of the gateway's own. A list is one of messages that answer a batch (JSON-RPC 2.0). */
export function jsonReply(body: JsonObject | readonly JsonObject[], status = 200): Reply {
  return { status, headers: { "content-type": "application/json" }, body: stringifyJson(body) };
}

/** The object that a whole reply of status 200 holds; undefined for any other reply. Throws on what is no JSON. */
export function readJsonReply({ status, body }: Reply): JsonObject | undefined {
  if (status !== 200 || (typeof body !== "string" && !(body instanceof Uint8Array))) return undefined;
  const json = parseJson(typeof body === "string" ? body : asBuffer(body).toString());
  return isJsonObject(json) ? json : undefined;
}
