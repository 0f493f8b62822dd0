import type { JsonObject } from "gatewright";
import { expect, it } from "vitest";
import * as v from "valibot";
import anthropic, { AnthropicOptions } from "../../adapters/src/anthropic.ts";
import { readExchanges } from "./_exchange.ts";
import type { Exchange } from "./_exchange.ts";
import { deepFreeze, refusedField } from "./_suite.ts";

type Path = readonly (string | number)[];

/** Fields whose value says nothing that Anthropic could be told, or that core alone acts on. */
const WITHOUT_EFFECT = new Set([
  "model",
  "stream",
  "stream_options.include_usage",
  "response_format.json_schema.strict",
  "tools[].type",
  "messages[].tool_calls[].type",
  "tool_choice.allowed_tools.tools[].type",
]);
/** The same, but only where the schema goes by no name or the tools may not be called. */
const SOMETIMES_WITHOUT_EFFECT = new Set(["response_format.json_schema.name", "parallel_tool_calls"]);

/** What a request comes to: its body and report, or the field that was refused. */
function outcomeOf({ backend }: Exchange, request: JsonObject): { text: string; dropped: readonly string[] } {
  let dropped: readonly string[] = [];
  let body: unknown;
  const refused = refusedField(() => {
    ({ body, dropped = [] } = anthropic.operations.chat!.toRequest!(deepFreeze(request), {
      operation: "chat",
      model: backend.model,
      requestedModel: "client-model",
      stream: request["stream"] === true,
      options: v.parse(AnthropicOptions, backend.options),
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
  if (typeof leaf === "string") return `~${leaf}`;
  if (typeof leaf === "number") return leaf / 2 + 0.25;
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

/** Tools that are not allowed are left out on purpose. */
const LEFT_OUT = "chat-tool-choice-allowed";

const carried = readExchanges("anthropic").filter(
  ({ id, hub }) => hub.refused === undefined && id !== LEFT_OUT,
);

it.each(carried)("carries or reports every value of: $title", (exchange) => {
  const { text: whole, dropped } = outcomeOf(exchange, exchange.request);
  for (const { path, leaf } of leavesOf(exchange.request)) {
    const name = nameOf(path);
    const reported = dropped.some((field) => isAtOrBelow(name, field));
    if (leaf === null || reported || WITHOUT_EFFECT.has(name) || SOMETIMES_WITHOUT_EFFECT.has(name)) continue;
    const other = replaceAt(exchange.request, path, otherThan(leaf)) as JsonObject;
    // If another value came to the same, this one would have been lost on the way.
    expect(outcomeOf(exchange, other).text, name).not.toBe(whole);
  }
});
