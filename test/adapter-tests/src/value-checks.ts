import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { unless } from "./check.ts";
import type { Exchange } from "./exchange.ts";
import { mappingOf, refusedField, writeRequest } from "./run-mapping.ts";

export interface ValueTests {
  /** Fields that say nothing to the backend, e.g. `response_format.json_schema.name`; of arrays `messages[].name`. */
  withoutEffect?: readonly string[];
  /** Ids of exchanges in which something is left out on purpose. */
  leftOut?: readonly string[];
}

/** Core acts on these, or they have one value in every dialect. */
const SILENT: readonly string[] = [
  "model",
  "stream",
  "stream_options.include_usage",
  "encoding_format",
  "return_documents",
  "tools[].type",
  "messages[].tool_calls[].type",
  "tool_choice.allowed_tools.tools[].type",
];

/**
 * Nothing is lost in silence: changes each value of each translated request in turn, and demands that what is sent or
 * refused changes with it, or that the field is reported.
 */
export function valueChecks(
  adapter: Adapter,
  exchanges: readonly Exchange[],
  { withoutEffect = [], leftOut = [] }: ValueTests,
): Check[] {
  const silent = new Set([...SILENT, ...withoutEffect]);
  const ids = new Set(exchanges.map(({ id }) => id));
  return [
    ...exchanges
      .filter(({ operation }) => mappingOf(adapter, operation).toRequest)
      .filter(({ id, hub }) => hub.refused === undefined && !leftOut.includes(id))
      .map((exchange) => ({
        group: exchange.title,
        title: "carries, reports or refuses every value of the request",
        find: () => findLost(adapter, exchange, silent),
      })),
    {
      group: "recorded exchanges",
      title: "are there where they are left out",
      find: () => leftOut.filter((id) => !ids.has(id)).map((id) => `\`leftOut\` names no exchange: ${id}`),
    },
  ];
}

function findLost(adapter: Adapter, exchange: Exchange, silent: ReadonlySet<string>): string[] {
  const { request } = exchange;
  const whole = outcomeOf(adapter, exchange);
  return leavesOf(request).flatMap(({ path, leaf }) => {
    const name = nameOf(path);
    if (leaf === null || silent.has(name)) return [];
    if (whole.dropped.some((field) => isAtOrBelow(name, field))) return [];
    const changed = replaceAt(request, path, otherThan(leaf)) as JsonObject;
    const { text } = outcomeOf(adapter, { ...exchange, request: changed });
    // If another value comes to the same, this one was lost on the way.
    return unless(text !== whole.text, `\`${name}\` is lost in silence: ${JSON.stringify(leaf)}`);
  });
}

/** What a request comes to: what is sent and reported, or the field that was refused. */
function outcomeOf(adapter: Adapter, exchange: Exchange): { text: string; dropped: readonly string[] } {
  let dropped: readonly string[] = [];
  let sent: unknown;
  const refused = refusedField(() => {
    ({ request: sent, dropped } = writeRequest(adapter, exchange));
  });
  return { text: JSON.stringify(refused ?? [sent, dropped]), dropped };
}

type Path = readonly (string | number)[];

function leavesOf(value: unknown, path: Path = []): { path: Path; leaf: unknown }[] {
  if (typeof value !== "object" || value === null) return [{ path, leaf: value }];
  return Object.entries(value).flatMap(([key, member]) =>
    leavesOf(member, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function replaceAt(value: unknown, [key, ...rest]: Path, leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value)) return value.with(Number(key), replaceAt(value[Number(key)], rest, leaf));
  const object = value as JsonObject;
  return { ...object, [key]: replaceAt(object[key], rest, leaf) };
}

function otherThan(leaf: unknown): unknown {
  if (typeof leaf === "string") return otherText(leaf);
  if (typeof leaf === "number") return leaf / 2 + 0.125;
  return leaf !== true;
}

/** Of a data URL other data, or it would be none. */
function otherText(text: string): string {
  const data = /^data:[^,]*;base64,/.exec(text)?.[0];
  return data ? `${data}AAAA${text.slice(data.length)}` : `${text}~`;
}

/** `messages[].content[].text`, as reports name fields. */
function nameOf(path: Path): string {
  return path
    .map((key) => (typeof key === "number" ? "[]" : `.${key}`))
    .join("")
    .slice(1);
}

function isAtOrBelow(name: string, field: string): boolean {
  return name.startsWith(field) && ["", ".", "["].includes(name.charAt(field.length));
}
