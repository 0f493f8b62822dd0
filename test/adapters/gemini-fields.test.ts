import type { JsonObject } from "gatewright";
import { expect, it } from "vitest";
import * as v from "valibot";
import gemini, { GeminiOptions } from "../../adapters/src/gemini.ts";
import { readExchanges } from "./_exchange.ts";
import type { Exchange } from "./_exchange.ts";
import { deepFreeze, refusedField } from "./_suite.ts";

type Path = readonly (string | number)[];

/** Fields whose value says nothing that Gemini could be told, or that core alone acts on. */
const WITHOUT_EFFECT = new Set([
  "model",
  "stream",
  "stream_options.include_usage",
  "response_format.json_schema.name",
  "response_format.json_schema.strict",
  "tools[].type",
  "messages[].tool_calls[].type",
  "tool_choice.allowed_tools.tools[].type",
]);

/** What a request comes to: its body and report, or the field that was refused. */
function outcomeOf(
  { backend, operation }: Exchange,
  request: JsonObject,
): { text: string; dropped: readonly string[] } {
  let dropped: readonly string[] = [];
  let body: unknown;
  const refused = refusedField(() => {
    ({ body, dropped = [] } = gemini.operations[operation]!.toRequest!(deepFreeze(request), {
      operation,
      model: backend.model,
      requestedModel: "client-model",
      stream: request["stream"] === true,
      options: v.parse(GeminiOptions, backend.options),
      requestId: "req-1",
      nowSeconds: 0,
      report: () => {},
      request,
    }));
  });
  return { text: JSON.stringify(refused ?? [body, dropped]), dropped };
}

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
  if (typeof leaf === "string") return `${leaf}~`;
  if (typeof leaf === "number") return leaf === 7 ? 8 : 7;
  return leaf !== true;
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

/** Fields that the reply is made by. */
const OF_THE_REPLY = new Set(["encoding_format"]);

const carried = readExchanges("gemini").filter(({ hub }) => hub.refused === undefined);

it.each(carried.map((exchange) => [exchange.title, exchange] as const))(
  "carries, reports or refuses every value of %s",
  (_, exchange) => {
    const { request } = exchange;
    const { text: whole, dropped } = outcomeOf(exchange, request);
    let leaves = 0;
    for (const { path, leaf } of leavesOf(request)) {
      const name = nameOf(path);
      const reported = dropped.some((field) => isAtOrBelow(name, field));
      if (leaf === null || WITHOUT_EFFECT.has(name) || OF_THE_REPLY.has(name) || reported) continue;
      leaves++;
      // If another value came to the same, this one would have been lost on the way.
      const changed = replaceAt(request, path, otherThan(leaf)) as JsonObject;
      expect(outcomeOf(exchange, changed).text, name).not.toBe(whole);
    }
    expect(leaves).toBeGreaterThan(0);
  },
);
