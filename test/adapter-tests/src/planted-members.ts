import { isJsonObject, parseJson, stringifyJson } from "gatewright";
import type { Adapter, JsonObject } from "gatewright";
import { unless } from "./check.ts";
import type { Exchange } from "./exchange.ts";
import { mappingOf, refusedField, writeRequest } from "./run-mapping.ts";

/** A member that is put where clients are free to have any: into schemas of tools and arguments of calls. */
export interface PlantedMember {
  readonly name: string;
  readonly inSchema: unknown;
  readonly inArguments: unknown;
  /** A text that both have, once each, and nothing else has. */
  readonly mark: string;
}

/** The exchanges whose requests the adapter writes anew. */
export function translatedOf(adapter: Adapter, exchanges: readonly Exchange[]): Exchange[] {
  return exchanges.filter(
    ({ operation, hub }) => mappingOf(adapter, operation).toRequest && hub.refused === undefined,
  );
}

/** Plants the member wherever the request has a place for it, and tells which of them are not sent. */
export function findPlanted(adapter: Adapter, exchange: Exchange, member: PlantedMember): string[] {
  const { name, inSchema, inArguments, mark } = member;
  let planted = 0;
  const request = mapMembers(exchange.request, (key, value) => {
    if (key === "properties" && isJsonObject(value)) {
      planted++;
      return withMember(value, name, inSchema);
    }
    // Arguments are JSON in a text.
    if (key !== "arguments" || typeof value !== "string" || !value.startsWith("{")) return value;
    planted++;
    return stringifyJson(withMember(parseJson(value) as JsonObject, name, inArguments));
  }) as JsonObject;
  if (planted === 0) return [];
  let text = "";
  let dropped: readonly string[] = [];
  const refused = refusedField(() => {
    const written = writeRequest(adapter, { ...exchange, request });
    text = stringifyJson(written.request.body);
    dropped = written.dropped;
  });
  // Schemas and tools that are refused or reported are not lost in silence.
  if (refused !== undefined || dropped.length > (exchange.hub.dropped?.length ?? 0)) return [];
  const sent = text.split(mark).length - 1;
  return [
    ...unless(sent === planted, `${sent} of ${planted} members are sent`),
    ...unless(sent === 0 || text.includes(name), "the member lost its name"),
  ];
}

/** Not by assignment, which would set the prototype. */
export function withMember(object: JsonObject, name: string, value: unknown): JsonObject {
  return Object.fromEntries([...Object.entries(object), [name, value]]);
}

/** The value with the member in each of its objects but empty ones: they would be none any more. */
export function withMemberInEach(value: unknown, name: string, member: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withMemberInEach(item, name, member));
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(([key, own]) => [key, withMemberInEach(own, name, member)]);
  return members.length === 0 ? value : Object.fromEntries([...members, [name, member]]);
}

/** Texts of arguments of calls, wherever they stand. */
export function argumentsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(argumentsIn);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === "arguments" && typeof member === "string" ? [member] : argumentsIn(member),
  );
}

/** Those that the adapter wrote: a text of the backend's own is one that nobody looks into. */
export function writtenArguments(reply: unknown, upstream: unknown): string[] {
  const own = JSON.stringify(upstream);
  return argumentsIn(reply).filter((text) => text.startsWith('{"') && !own.includes(JSON.stringify(text)));
}

/** Each member as `map` has it, from the innermost outwards. */
function mapMembers(value: unknown, map: (key: string, value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapMembers(item, map));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, map(key, mapMembers(member, map))]),
  );
}
