import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { difference, differenceWithin, unless } from "./check.ts";
import { bytesOf } from "./exchange.ts";
import type { Exchange, UpstreamReply } from "./exchange.ts";
import {
  deepFreeze,
  infoOf,
  mappingOf,
  optionsOf,
  readError,
  readReply,
  readStream,
  readTranslated,
  refusalOf,
  secretsOf,
  toClientView,
  writeRequest,
} from "./run-mapping.ts";

/** Holds the mappings against one recorded exchange. */
export function exchangeChecks(adapter: Adapter, exchange: Exchange, sameDialect: boolean): Check[] {
  const { upstream, hub, title: group } = exchange;
  const check = (title: string, find: Check["find"]): Check => ({ group, title, find });
  const { refused } = hub;

  if (refused !== undefined) {
    return [
      check(`is refused, naming ${refused}`, () => {
        const refusal = refusalOf(() => writeRequest(adapter, exchange));
        return [
          ...difference("the refused field", refusal?.field, refused),
          ...leaks(adapter, exchange, "the refusal", refusal?.message),
        ];
      }),
    ];
  }
  if (!upstream) return [check("is complete", () => ["neither `upstream` nor `hub.refused`"])];

  const checks = [
    check("writes the upstream request, the same each time", () => findInRequest(adapter, exchange)),
    check("P: puts the key into headers of authentication alone", () => findKey(adapter, exchange)),
  ];
  if (hub.error) {
    const { read } = hub.error;
    checks.push(
      check("reads the error", () => {
        const found = readError(adapter, exchange);
        return [
          ...difference("the error", found, read),
          ...leaks(adapter, exchange, "the error", JSON.stringify(found)),
        ];
      }),
    );
  } else if (hub.reply) {
    checks.push(
      check("reads the reply, the same each time, and names what it cannot carry", () =>
        findInReply(adapter, exchange),
      ),
    );
  } else if (hub.stream && upstream.reply.chunks) {
    checks.push(...streamChecks(adapter, exchange, hub.stream, sameDialect));
  } else {
    checks.push(check("is complete", () => ["`hub` and `upstream.reply` do not go together"]));
  }
  if (hub.bridged) {
    checks.push(
      check("gives front doors in other dialects the hub's own words", () => findBridged(adapter, exchange)),
    );
  }
  return checks;
}

function findInRequest(adapter: Adapter, exchange: Exchange): string[] {
  const expected = exchange.upstream!.request;
  const written = writeRequest(adapter, exchange);
  return [
    ...difference("the request", { ...written.request, headers: {} }, { ...expected, headers: {} }),
    ...differenceWithin("the headers", written.request.headers, expected.headers),
    ...difference(
      "what is reported",
      written.dropped,
      (exchange.hub.dropped ?? []).filter((name) => !isOfReply(name)),
    ),
    ...difference("the second time", writeRequest(adapter, exchange), written),
  ];
}

function findKey(adapter: Adapter, exchange: Exchange): string[] {
  const { apiKey } = exchange.backend;
  if (apiKey === undefined) return [];
  const { headers, ...rest } = writeRequest(adapter, exchange).request;
  const auth = Object.keys(adapter.auth(apiKey, optionsOf(adapter, exchange)));
  const others = Object.entries(headers).filter(([name]) => !auth.includes(name));
  return [
    // Or it is exchanged for something else, for each call.
    ...unless(auth.length > 0 || !!adapter.authorize, "the key goes into no header"),
    ...unless(
      !JSON.stringify([rest, others]).includes(apiKey),
      "the key stands elsewhere than in headers of `auth`",
    ),
  ];
}

/** The same for what an answer or an error says. */
function leaks(adapter: Adapter, exchange: Exchange, what: string, text: string | undefined): string[] {
  return secretsOf(adapter, exchange)
    .filter((secret) => text?.includes(secret))
    .map(() => `a credential stands in ${what}`);
}

function findInReply(adapter: Adapter, exchange: Exchange): string[] {
  const { reply, dropped = [] } = exchange.hub;
  const reported = new Set<string>();
  const read = readReply(adapter, exchange, (field) => reported.add(`reply.${field}`));
  return [
    ...difference("the reply", read, reply),
    ...difference("the second time", readReply(adapter, exchange), reply),
    ...difference("what is reported", [...reported], dropped.filter(isOfReply)),
    ...leaks(adapter, exchange, "the reply", JSON.stringify(read)),
  ];
}

/** Core tells what of the answer was left out from what of the request. */
function isOfReply(field: string): boolean {
  return field.startsWith("reply.");
}

function findBridged(adapter: Adapter, exchange: Exchange): string[] {
  const mapping = mappingOf(adapter, exchange.operation);
  const info = infoOf(adapter, exchange);
  const { reply } = exchange.upstream as { reply: UpstreamReply };
  const { bridged } = exchange.hub;
  return bridged?.reply
    ? difference("the reply", mapping.fromResponse?.(deepFreeze(reply.body!), info), bridged.reply)
    : difference("the stream", readTranslated(mapping, info, bytesOf(reply)), bridged?.stream);
}

function streamChecks(
  adapter: Adapter,
  exchange: Exchange,
  expected: JsonObject[],
  sameDialect: boolean,
): Check[] {
  const { title: group, operation, upstream } = exchange;
  const pieces = bytesOf(upstream!.reply);
  const bytes = Buffer.concat(pieces);
  const read = (cut: readonly Uint8Array[]) => readStream(adapter, exchange, cut);
  const checks: Check[] = [
    {
      group,
      title: "reads the stream, the same each time",
      find: () => [
        ...difference("the stream", toClientView(read(pieces), exchange), expected),
        ...difference("the second time", toClientView(read(pieces), exchange), expected),
        ...leaks(adapter, exchange, "the stream", JSON.stringify(read(pieces))),
      ],
    },
    {
      group,
      title: "E1, E12: reads the same whatever byte it is cut at",
      find: () => findAtCuts(bytes, (cut) => JSON.stringify(read(cut))),
    },
  ];
  const translated = adapter.operations[operation]?.stream !== undefined;
  if (!translated || operation !== "chat" || sameDialect) return checks;
  return [
    ...checks,
    {
      group,
      title: "st-3: opens with the role alone, ends with the finish alone, then usage",
      find: () => findInOrder(read([bytes]), exchange),
    },
  ];
}

function findAtCuts(bytes: Uint8Array, read: (pieces: readonly Uint8Array[]) => string): string[] {
  const whole = read([bytes]);
  for (let at = 1; at < bytes.length; at++) {
    const faults = findAtCut(`cut at byte ${at}`, [bytes.subarray(0, at), bytes.subarray(at)], whole, read);
    if (faults.length > 0) return faults;
  }
  const single = Array.from(bytes, (byte) => Buffer.of(byte));
  return [
    ...findAtCut("byte by byte", single, whole, read),
    ...unless(!whole.includes("\uFFFD"), "a character was lost: U+FFFD stands for it"),
  ];
}

function findAtCut(
  what: string,
  pieces: readonly Uint8Array[],
  whole: string,
  read: (pieces: readonly Uint8Array[]) => string,
): string[] {
  let cut: string;
  try {
    cut = read(pieces);
  } catch (error) {
    return [`${what}: threw ${String(error)}`];
  }
  return cut === whole ? [] : difference(what, JSON.parse(cut), JSON.parse(whole));
}

interface Choice {
  delta: JsonObject;
  finish_reason: string | null;
}

function findInOrder(events: readonly JsonObject[], { request, hub }: Exchange): string[] {
  const failed = events.at(-1)?.["error"] !== undefined;
  const chunks = failed ? events.slice(0, -1) : events;
  const choices = chunks.flatMap((chunk) => chunk["choices"] as Choice[]);
  const finishes = choices.filter((choice) => choice.finish_reason !== null).length;
  const faults = [
    ...["id", "created", "model", "object"].flatMap((name) =>
      unless(new Set(chunks.map((chunk) => chunk[name])).size <= 1, `chunks differ in \`${name}\``),
    ),
    ...(choices.length === 0 ? [] : difference("the first delta", choices[0]?.delta, { role: "assistant" })),
  ];
  if (failed || hub.truncated)
    return [
      ...faults,
      ...unless(finishes === 0, "there is a finish reason, although the stream is not whole"),
    ];
  const asked = (request["n"] as number | null | undefined) ?? 1;
  const last = choices.at(-1);
  const { usage, choices: beside } = chunks.at(-1) ?? {};
  return [
    ...faults,
    ...unless(finishes === asked, `${finishes} finish reasons for ${asked} answers`),
    ...unless(typeof last?.finish_reason === "string", "the last choice has no finish reason"),
    ...difference("the delta beside the last finish reason", last?.delta, {}),
    ...unless(
      Array.isArray(beside) &&
        beside.length === 0 &&
        typeof (usage as JsonObject)?.["total_tokens"] === "number",
      "the last chunk is not usage beside `choices: []`",
    ),
  ];
}
