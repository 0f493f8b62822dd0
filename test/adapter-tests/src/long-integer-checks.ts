import { parseJson, stringifyJson } from "gatewright";
import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { unless } from "./check.ts";
import type { Exchange } from "./exchange.ts";
import {
  argumentsIn,
  findPlanted,
  translatedOf,
  withMemberInEach,
  writtenArguments,
} from "./planted-members.ts";
import type { PlantedMember } from "./planted-members.ts";
import { mappingOf, readReply } from "./run-mapping.ts";
import type { ValueTests } from "./value-checks.ts";

/** An integer of 64 bits that no number holds, and a name that no dialect has. */
const DIGITS = "1234567890123456789";
const NAME = "id_of_64_bits";
const MEMBER: PlantedMember = {
  name: NAME,
  inSchema: { type: "integer", maximum: parseJson(DIGITS) },
  inArguments: parseJson(DIGITS),
  mark: DIGITS,
};

/** Ids in what a tool is called with have as many digits as they like. */
export function longIntegerChecks(
  adapter: Adapter,
  exchanges: readonly Exchange[],
  { leftOut = [] }: ValueTests,
): Check[] {
  const translated = translatedOf(adapter, exchanges);
  if (translated.length === 0) return [];
  const ofAll = (title: string, find: (exchange: Exchange) => string[]): Check => ({
    group: "integers longer than a number",
    title,
    find: () => translated.flatMap((exchange) => find(exchange).map((fault) => `${exchange.id}: ${fault}`)),
  });
  return [
    ofAll("are sent digit by digit in schemas of tools and arguments of calls", (exchange) =>
      leftOut.includes(exchange.id) ? [] : findPlanted(adapter, exchange, MEMBER),
    ),
    ofAll("are read digit by digit from arguments of calls", (exchange) => findRead(adapter, exchange)),
  ];
}

function findRead(adapter: Adapter, exchange: Exchange): string[] {
  const { hub, upstream } = exchange;
  if (!hub.reply || !upstream?.reply.body || !mappingOf(adapter, exchange.operation).fromResponse) return [];
  const body = withMemberInEach(upstream.reply.body, NAME, MEMBER.inArguments) as JsonObject;
  const written = writtenArguments(hub.reply, upstream.reply.body);
  const read = readReply(adapter, {
    ...exchange,
    upstream: { ...upstream, reply: { ...upstream.reply, body } },
  });
  const found = argumentsIn(JSON.parse(stringifyJson(read))).filter((text) =>
    text.includes(`"${NAME}":${DIGITS}`),
  );
  return unless(found.length >= written.length, `${found.length} of ${written.length} are read`);
}
