import { isJsonObject, parseJson } from "gatewright";
import type { JsonObject, Reply } from "gatewright";

/** The object that a backend answered with; undefined for a reply that has none. */
export function readObject({ status, body }: Reply): JsonObject | undefined {
  if (status !== 200 || (typeof body !== "string" && !(body instanceof Uint8Array))) return undefined;
  const json = parseJson(typeof body === "string" ? body : Buffer.from(body).toString());
  return isJsonObject(json) ? json : undefined;
}
