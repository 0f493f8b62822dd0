import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { unless } from "./check.ts";
import { bytesOf } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { decode, deepFreeze, infoOf, mappingOf, refusedField, writeRequest } from "./run-mapping.ts";

/** Neither side may break a mapping: whatever stands in the place of a value, it is carried, refused or an error. */
export function hostileChecks(adapter: Adapter, exchanges: readonly Exchange[]): Check[] {
  const translated = exchanges.filter(
    ({ operation }) => mappingOf(adapter, operation).toRequest !== undefined,
  );
  if (translated.length === 0) return [];
  const overAll = (title: string, find: (exchange: Exchange) => string[]): Check => ({
    group: "hostile input",
    title,
    find: () => translated.flatMap((exchange) => find(exchange).map((fault) => `${exchange.id}: ${fault}`)),
  });
  return [
    overAll("J: takes or refuses any JSON in any place of a request", (exchange) =>
      findInRequests(adapter, exchange),
    ),
    overAll("U: reads any JSON in any place of a reply, or says that it is no answer", (exchange) =>
      findInReplies(adapter, exchange),
    ),
    overAll("U: reads any JSON in any place of a stream", (exchange) => findInStreams(adapter, exchange)),
  ];
}

function findInRequests(adapter: Adapter, exchange: Exchange): string[] {
  return firstFault(variantsOf(exchange.request), (variant) => {
    let faults: string[] = [];
    refusedField(() => {
      const { request } = writeRequest(adapter, { ...exchange, request: variant as JsonObject });
      faults = findOddValue(request.headers);
    });
    return faults;
  });
}

function findInReplies(adapter: Adapter, exchange: Exchange): string[] {
  const { body } = exchange.upstream?.reply ?? {};
  const { fromResponse } = mappingOf(adapter, exchange.operation);
  if (!exchange.hub.reply || !body || !fromResponse) return [];
  return firstFault(variantsOf(body), (variant) => {
    const reply = deepFreeze(variant as JsonObject);
    if (adapter.errorInReply?.(reply, exchange.operation)) return [];
    const read: unknown = fromResponse(reply, infoOf(adapter, exchange));
    return [
      ...unless(typeof read === "object" && read !== null, `read as ${String(read)}`),
      ...findOddValue(read),
    ];
  });
}

function findInStreams(adapter: Adapter, exchange: Exchange): string[] {
  const { stream } = mappingOf(adapter, exchange.operation);
  const info = infoOf(adapter, exchange);
  if (!stream || !exchange.hub.stream) return [];
  const lines: JsonObject[] = [];
  decode(stream.format, [Buffer.concat(bytesOf(exchange.upstream!.reply))], (json) => {
    lines.push(json);
  });
  return lines.flatMap((line, index) =>
    firstFault(variantsOf(line), (variant) => {
      const state = stream.start(info);
      const read: unknown[] = lines
        .with(index, variant as JsonObject)
        .map((event) => stream.event(state, deepFreeze(event), info));
      read.push(stream.end?.(state, info) ?? []);
      return [
        ...unless(
          read.every((events) => Array.isArray(events)),
          "an event was read as something else than a list",
        ),
        ...findOddValue(read),
      ];
    }),
  );
}

/** Functions, and objects of a class, are nothing that JSON knows: an inherited member was taken for a value. */
function findOddValue(value: unknown): string[] {
  if (typeof value === "function") return [`a function stands in it: ${value.name}`];
  if (typeof value !== "object" || value === null) return [];
  if (value === Object.prototype) return ["the prototype of objects stands in it"];
  return Object.values(value).flatMap(findOddValue);
}

/** The faults of the first variant that has any, or breaks the mapping. */
function firstFault(variants: Iterable<unknown>, find: (variant: unknown) => string[]): string[] {
  for (const variant of variants) {
    let faults: string[];
    try {
      faults = find(variant);
    } catch (error) {
      faults = [`threw ${error instanceof Error ? error.stack : String(error)}`];
    }
    if (faults.length > 0) return faults.map((fault) => `${JSON.stringify(variant)}: ${fault}`);
  }
  return [];
}

/** Two are names of what objects inherit: looked up in one, they give a function for a rule. */
const INTRUDERS: readonly unknown[] = [
  null,
  true,
  -1,
  "",
  "x",
  "__proto__",
  "constructor",
  [],
  [null],
  {},
  { "": 0 },
];

/** The value with each of its members, at any depth, replaced by each intruder in turn, or taken out. */
function* variantsOf(value: unknown): Generator {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const intruder of [...INTRUDERS, ...variantsOf(item)]) yield value.with(index, intruder);
      yield value.toSpliced(index, 1);
    }
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    for (const intruder of [...INTRUDERS, ...variantsOf(member)]) yield { ...value, [name]: intruder };
    const { [name]: _, ...rest } = value as JsonObject;
    yield rest;
  }
}
