import { editJson, memberText, scanJson } from "../body/json-text.ts";
import type { JsonObject } from "../operation.ts";
import type { PipedEvent } from "./event-pipe.ts";

/** The event under the name that the client asked for, wherever it names a model; all its other bytes as they came. */
export function withModel(event: PipedEvent, at: readonly string[] | undefined, model: string): PipedEvent {
  const json = event.json as JsonObject;
  const named = nameModel(json, at, model);
  if (named === json) return event;
  const [outer, inner] = at ?? MODEL;
  const text = Buffer.from(event.data);
  const fields = scanJson(text);
  const member = memberText(text, fields, outer!)!;
  const value = inner === undefined ? JSON.stringify(model) : setMember(member, inner, model);
  return withText(event, editJson(text, fields, { [outer!]: value }), named);
}

/** The event without its usage. */
export function withoutUsage(event: PipedEvent): PipedEvent {
  const text = Buffer.from(event.data);
  const json = { ...(event.json as JsonObject), usage: undefined };
  return withText(event, editJson(text, scanJson(text), { usage: undefined }), json);
}

/** The same object where it names no model, or this one. `at` leads to the name: a member, or a member of one. */
export function nameModel(json: JsonObject, at: readonly string[] | undefined, model: string): JsonObject {
  const [outer, inner] = at ?? MODEL;
  const value = json[outer!];
  if (inner === undefined)
    return typeof value === "string" && value !== model ? { ...json, [outer!]: model } : json;
  const named = typeof value === "object" && value !== null ? (value as JsonObject)[inner] : undefined;
  if (typeof named !== "string" || named === model) return json;
  return { ...json, [outer!]: { ...(value as JsonObject), [inner]: model } };
}

const MODEL = ["model"] as const;

function setMember(text: Buffer, name: string, value: string): string {
  return editJson(text, scanJson(text), { [name]: JSON.stringify(value) }).toString("utf8");
}

/** The event under another text, in the place of the old one. Data over several lines is written anew. */
function withText(event: PipedEvent, text: Buffer, json: JsonObject): PipedEvent {
  const old = Buffer.from(event.data);
  const { raw, type } = event;
  const at = raw?.indexOf(old) ?? -1;
  const data = text.toString("utf8");
  if (!raw || at < 0) return { data, type, json };
  return { raw: Buffer.concat([raw.subarray(0, at), text, raw.subarray(at + old.length)]), data, type, json };
}
