import type { Adapter, JsonObject, MappingInfo, StandardSchemaV1 } from "gatewright";
import { expect, it } from "vitest";
import { readExchanges } from "./_exchange.ts";
import type { Exchange } from "./_exchange.ts";
import { deepFreeze, refusedField } from "./_suite.ts";

type Path = readonly (string | number)[];

/**
 * Nothing is lost in silence: changes each value of the request of each chat exchange in turn, and demands that what
 * is sent or refused changes with it, or that the field is reported. `withoutEffect` names fields that say nothing to
 * the backend; `leftOut` exchanges in which tools are left out on purpose.
 */
export function testEveryLeaf<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  { withoutEffect, leftOut }: { withoutEffect: readonly string[]; leftOut: readonly string[] },
): void {
  const silent = new Set(["model", "stream", "stream_options.include_usage", ...withoutEffect]);
  const exchanges = readExchanges(adapter.name).filter(
    ({ id, operation, hub }) => operation === "chat" && hub.refused === undefined && !leftOut.includes(id),
  );

  it.each(exchanges)("carries, reports or refuses every value: $title", (exchange) => {
    const whole = outcomeOf(adapter, exchange, exchange.request);
    let changed = 0;
    for (const { path, leaf } of leavesOf(exchange.request)) {
      const name = nameOf(path);
      if (leaf === null || silent.has(name)) continue;
      if (whole.dropped.some((field) => isAtOrBelow(name, field))) continue;
      const other = replaceAt(exchange.request, path, otherThan(leaf)) as JsonObject;
      expect(outcomeOf(adapter, exchange, other).text, name).not.toBe(whole.text);
      changed++;
    }
    expect(changed).toBeGreaterThan(0);
  });
}

/** What a request comes to: its body and report, or the field that was refused. */
function outcomeOf<Schema extends StandardSchemaV1>(
  adapter: Adapter<Schema>,
  { backend }: Exchange,
  request: JsonObject,
): { text: string; dropped: readonly string[] } {
  const options = adapter.options?.["~standard"].validate(backend.options) as { value: unknown };
  const info = {
    operation: "chat",
    model: backend.model,
    requestedModel: "client-model",
    stream: request["stream"] === true,
    options: options.value,
    requestId: "req-1",
    nowSeconds: 0,
    report: () => {},
    request,
  } as MappingInfo<StandardSchemaV1.InferOutput<Schema>>;
  let dropped: readonly string[] = [];
  let body: unknown;
  const refused = refusedField(() => {
    ({ body, dropped = [] } = adapter.operations.chat!.toRequest!(deepFreeze(request), info));
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
  if (typeof leaf === "number") return leaf / 2 + 0.125;
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
