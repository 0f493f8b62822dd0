import { isJsonObject, parseJson, stringifyJson } from "gatewright";
import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { unless } from "./check.ts";
import type { Exchange } from "./exchange.ts";
import { argumentsIn, mapMembers, withMember } from "./inherited-name-checks.ts";
import { mappingOf, readReply, refusedField, writeRequest } from "./run-mapping.ts";
import type { ValueTests } from "./value-checks.ts";

/** An integer of 64 bits that no number holds, and a name that no dialect has. */
const DIGITS = "1234567890123456789";
const NAME = "id_of_64_bits";

/** Ids in what a tool is called with have as many digits as they like. */
export function longIntegerChecks(
  adapter: Adapter,
  exchanges: readonly Exchange[],
  { leftOut = [] }: ValueTests,
): Check[] {
  const translated = exchanges.filter(
    ({ operation, hub }) => mappingOf(adapter, operation).toRequest && hub.refused === undefined,
  );
  if (translated.length === 0) return [];
  const ofAll = (title: string, find: (exchange: Exchange) => string[]): Check => ({
    group: "integers longer than a number",
    title,
    find: () => translated.flatMap((exchange) => find(exchange).map((fault) => `${exchange.id}: ${fault}`)),
  });
  return [
    ofAll("are sent digit by digit in schemas of tools and arguments of calls", (exchange) =>
      leftOut.includes(exchange.id) ? [] : findSent(adapter, exchange),
    ),
    ofAll("are read digit by digit from arguments of calls", (exchange) => findRead(adapter, exchange)),
  ];
}

function findSent(adapter: Adapter, exchange: Exchange): string[] {
  let given = 0;
  const request = mapMembers(exchange.request, (key, value) => {
    if (key === "properties" && isJsonObject(value)) {
      given++;
      return withMember(value, NAME, { type: "integer", maximum: parseJson(DIGITS) });
    }
    if (key !== "arguments" || typeof value !== "string" || !value.startsWith("{")) return value;
    given++;
    return stringifyJson(withLong(parseJson(value) as JsonObject));
  }) as JsonObject;
  if (given === 0) return [];
  let text = "";
  let dropped: readonly string[] = [];
  const refused = refusedField(() => {
    const written = writeRequest(adapter, { ...exchange, request });
    text = stringifyJson(written.request.body);
    dropped = written.dropped;
  });
  // Schemas and tools that are refused or reported are not lost in silence.
  if (refused !== undefined || dropped.length > (exchange.hub.dropped?.length ?? 0)) return [];
  const sent = text.split(DIGITS).length - 1;
  return unless(sent === given, `${sent} of ${given} are sent`);
}

function findRead(adapter: Adapter, exchange: Exchange): string[] {
  const { hub, upstream } = exchange;
  if (!hub.reply || !upstream?.reply.body || !mappingOf(adapter, exchange.operation).fromResponse) return [];
  const body = withLongs(upstream.reply.body) as JsonObject;
  const own = JSON.stringify(upstream.reply.body);
  // Arguments that the backend gives as a text are one that nobody looks into.
  const calls = argumentsIn(hub.reply).filter(
    (text) => text.startsWith('{"') && !own.includes(JSON.stringify(text)),
  );
  const read = readReply(adapter, {
    ...exchange,
    upstream: { ...upstream, reply: { ...upstream.reply, body } },
  });
  const found = argumentsIn(JSON.parse(stringifyJson(read))).filter((text) =>
    text.includes(`"${NAME}":${DIGITS}`),
  );
  return unless(found.length >= calls.length, `${found.length} of ${calls.length} are read`);
}

/** As `parseJson` gives it. */
function withLong(object: JsonObject): JsonObject {
  return withMember(object, NAME, parseJson(DIGITS));
}

/** The value with one in each of its objects but empty ones: they would be none any more. */
function withLongs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withLongs);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(([key, member]) => [key, withLongs(member)] as const);
  return members.length === 0 ? value : withLong(Object.fromEntries(members));
}
