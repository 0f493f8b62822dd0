import { isJsonObject } from "gatewright";
import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { difference, travelled, unless } from "./check.ts";
import { bytesOf } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import {
  argumentsIn,
  findPlanted,
  translatedOf,
  withMember,
  withMemberInEach,
  writtenArguments,
} from "./planted-members.ts";
import type { PlantedMember } from "./planted-members.ts";
import {
  decode,
  deepFreeze,
  infoOf,
  mappingOf,
  readReply,
  readStream,
  toClientView,
  writeRequest,
} from "./run-mapping.ts";
import type { ValueTests } from "./value-checks.ts";

/** What every object inherits: such a member is lost, or taken for another, where it is written by assignment. */
const NAMES = ["__proto__", "constructor"] as const;

/** Words that would show where they are read as inherited. */
const POISON = { role: "POISON", content: "POISON", text: "POISON", name: "POISON", usage: { x: "POISON" } };
const MARK = "kept-7f3a";

/** Members by names of what objects inherit are data like any other. */
export function inheritedNameChecks(
  adapter: Adapter,
  exchanges: readonly Exchange[],
  { leftOut = [] }: ValueTests,
): Check[] {
  const translated = translatedOf(adapter, exchanges);
  if (translated.length === 0) return [];
  const ofAll = (title: string, find: (exchange: Exchange, name: string) => string[]): Check => ({
    group: "members that objects inherit",
    title,
    find: () =>
      translated.flatMap((exchange) =>
        NAMES.flatMap((name) => find(exchange, name).map((fault) => `${exchange.id}: ${name}: ${fault}`)),
      ),
  });
  return [
    ofAll("J5: are forwarded with a request as any that nobody knows", (exchange, name) =>
      findForwarded(adapter, exchange, name),
    ),
    ofAll("J5: are carried in schemas of tools and in arguments of calls", (exchange, name) =>
      leftOut.includes(exchange.id) ? [] : findPlanted(adapter, exchange, carried(name)),
    ),
    ofAll("J5: change nothing of a reply, and are carried in its calls", (exchange, name) =>
      findInReply(adapter, exchange, name),
    ),
    ofAll("J5: change nothing of a stream", (exchange, name) => findInStream(adapter, exchange, name)),
  ];
}

const carried = (name: string): PlantedMember => ({
  name,
  inSchema: { type: "string", description: MARK },
  inArguments: { is: MARK },
  mark: MARK,
});

function findForwarded(adapter: Adapter, exchange: Exchange, name: string): string[] {
  const { request } = writeRequest(adapter, exchange);
  const odd = writeRequest(adapter, {
    ...exchange,
    request: withMember(exchange.request, name, { x: 1 }),
  }).request;
  return [
    ...unless(JSON.stringify(odd.body).includes(`"${name}":{"x":1}`), "the member is lost"),
    ...difference("the request beside it", { ...odd, body: withoutMember(odd.body, name) }, request),
  ];
}

function findInReply(adapter: Adapter, exchange: Exchange, name: string): string[] {
  const { hub, upstream } = exchange;
  if (!hub.reply || !upstream?.reply.body || !mappingOf(adapter, exchange.operation).fromResponse) return [];
  const body = withMemberInEach(upstream.reply.body, name, POISON) as JsonObject;
  const read = readReply(adapter, {
    ...exchange,
    upstream: { ...upstream, reply: { ...upstream.reply, body } },
  });
  const written = writtenArguments(hub.reply, upstream.reply.body);
  const found = argumentsIn(read).filter((text) => text.includes(`"${name}"`));
  return [
    ...difference("the reply", withoutMember(read, name), hub.reply),
    ...unless(found.length >= written.length, "the member is lost in the arguments of a call"),
  ];
}

function findInStream(adapter: Adapter, exchange: Exchange, name: string): string[] {
  const { hub, upstream } = exchange;
  const { stream } = mappingOf(adapter, exchange.operation);
  if (!hub.stream || !upstream?.reply.chunks || !stream) return [];
  const state = stream.start(infoOf(adapter, exchange));
  const events: JsonObject[] = [];
  const take = (json: JsonObject, type?: string) =>
    void events.push(
      ...stream.event(
        state,
        deepFreeze(withMemberInEach(json, name, POISON) as JsonObject),
        infoOf(adapter, exchange),
        type,
      ),
    );
  decode(stream.format, bytesOf(upstream.reply), take);
  events.push(...(stream.end?.(state, infoOf(adapter, exchange)) ?? []));
  const plain = toClientView(readStream(adapter, exchange, bytesOf(upstream.reply)), exchange);
  const shown = toClientView(events, exchange).map((event) => withoutMember(event, name) as JsonObject);
  const renamed = shown.map((event) =>
    "model" in event ? { ...event, model: exchange.request["model"] } : event,
  );
  return difference("the stream", renamed, plain);
}

/** The value without members of that name, also in texts that are JSON objects. */
function withoutMember(value: unknown, name: string): unknown {
  if (typeof value === "string") {
    const inner = value.startsWith("{") && value.includes(`"${name}"`) ? parsed(value) : undefined;
    return inner === undefined ? value : JSON.stringify(withoutMember(inner, name));
  }
  if (Array.isArray(value)) return value.map((item) => withoutMember(item, name));
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(travelled(value) as JsonObject).filter(([key]) => key !== name);
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutMember(member, name)]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
