import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { difference, differenceWithin, unless } from "./check.ts";
import { NOW_SECONDS, REQUEST_ID } from "./exchange.ts";
import type { Exchange, HubOutcome } from "./exchange.ts";
import type { PlayedBackend } from "./played-backend.ts";
import { withPlayedGateway } from "./played-gateway.ts";
import { frontDoorOf, secretsOf } from "./run-mapping.ts";

/** Plays an exchange by a real server, and asks for it through a real gateway. */
export function gatewayCheck(adapter: Adapter, exchange: Exchange): Check {
  return {
    group: exchange.title,
    title: "is the same through a gateway, on the wire",
    find: () =>
      withPlayedGateway(adapter, exchange, {}, async ({ backend, ask, log }) => {
        const from = secondsNow();
        const response = await ask();
        const text = await response.text();
        const hub = hubOf(exchange, response);
        return [
          ...findInRequest(exchange, backend),
          ...findInReply({ ...exchange, hub }, response, text, (read) => atRecordedTime(read, hub, from)),
          ...findLeaks(adapter, exchange, { response, text, log: log() }),
        ];
      }),
  };
}

/** Errors of the backend that show the gateway its own credentials: nobody else gets to see them. */
export function echoCheck(adapter: Adapter, exchanges: readonly Exchange[]): Check {
  const errors = exchanges.filter(({ hub, upstream }) => hub.error && upstream?.reply.body);
  return {
    group: "credentials",
    title: "P: stand in no error and no log, even when the backend shows them",
    async find() {
      const faults: string[] = [];
      for (const exchange of errors) {
        const secrets = secretsOf(adapter, exchange);
        const shown = showing(exchange, secrets.join(" "));
        const found = await withPlayedGateway(adapter, shown, {}, async ({ ask, log }) => {
          const response = await ask();
          // Other texts may have made an answer of it.
          if (response.ok) return [];
          return findLeaks(adapter, exchange, { response, text: await response.text(), log: log() });
        });
        faults.push(...found.map((fault) => `${exchange.id}: ${fault}`));
      }
      return faults;
    },
  };
}

/** The exchange, with the text after each text of the backend's error. */
function showing(exchange: Exchange, text: string): Exchange {
  const { request, reply } = exchange.upstream!;
  const body = mapTexts(reply.body, (value) => `${value} ${text}`) as JsonObject;
  return { ...exchange, upstream: { request, reply: { ...reply, body } } };
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapTexts(member, map)]));
}

function findLeaks(
  adapter: Adapter,
  exchange: Exchange,
  { response, text, log }: { response: Response; text: string; log: string },
): string[] {
  const headers = JSON.stringify([...response.headers]);
  return secretsOf(adapter, exchange).flatMap((secret) => [
    ...unless(!text.includes(secret), "a credential stands in what the client gets"),
    ...unless(!headers.includes(secret), "a credential stands in a header that the client gets"),
    ...unless(!log.includes(secret), "a credential stands in the log"),
  ]);
}

/** Ids in recorded replies are made from the recorded request's; here they come from the one that the gateway gave. */
function hubOf({ hub }: Exchange, { headers }: Response): HubOutcome {
  const id = headers.get("x-request-id")!;
  const recorded = JSON.stringify(hub);
  const given = recorded.replaceAll(REQUEST_ID, id).replaceAll(bare(REQUEST_ID), bare(id));
  return JSON.parse(given) as HubOutcome;
}

/** As ids of tool calls hold it. */
function bare(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24);
}

function secondsNow(): number {
  return Math.floor(Date.now() / 1000);
}

/** Times since `from` set to the one of the exchanges, where that is what was recorded. */
function atRecordedTime(read: JsonObject, { reply, stream }: HubOutcome, from: number): JsonObject {
  const recorded = (reply ?? stream?.[0])?.["created"];
  const { created } = read;
  const isNow = typeof created === "number" && created >= from && created <= secondsNow();
  return recorded === NOW_SECONDS && isNow ? { ...read, created: NOW_SECONDS } : read;
}

function findInRequest({ upstream }: Exchange, { received }: PlayedBackend): string[] {
  if (!upstream) return difference("what reached the backend", received, []);
  const { method, path, headers, body } = upstream.request;
  const [first] = received;
  if (!first || received.length > 1) return [`${received.length} requests reached the backend`];
  return [
    ...difference("the request line", [first.method, first.path], [method, `/base${path}`]),
    ...differenceWithin("the headers at the backend", first.headers, headers),
    ...difference("the body at the backend", first.body, body),
  ];
}

function findInReply(
  exchange: Exchange,
  response: Response,
  text: string,
  timed: (read: JsonObject) => JsonObject,
): string[] {
  const { hub } = exchange;
  if (hub.refused !== undefined)
    return findError(response, text, 400, { code: "unsupported_parameter", param: hub.refused });
  if (hub.error) return findError(response, text, hub.error.status, { code: hub.error.code });
  if (!hub.reply) return findInStream(exchange, response, text, timed);
  return [
    ...difference("the status", response.status, 200),
    ...findDropped(hub, response),
    ...difference("what the client gets", timed(JSON.parse(text) as JsonObject), hub.reply),
  ];
}

function findError(response: Response, text: string, status: number, expected: JsonObject): string[] {
  const { error = {} } = JSON.parse(text) as { error?: JsonObject };
  return [
    ...difference("the status", response.status, status),
    ...differenceWithin("the error", error, expected),
  ];
}

/** Statuses of backends that reach the client as they are (docs/errors.md of Gatewright). */
const PASSED_STATUSES = new Set<unknown>([400, 404, 409, 413, 415, 422, 429]);

/** An error in place of a stream's first content is one like any other, with its status and words. */
function findFirstError(response: Response, text: string, error: JsonObject): string[] {
  const { status, code, message } = error;
  const named = status ?? code;
  if (!PASSED_STATUSES.has(named)) return difference("the status", response.status, 502);
  return findError(response, text, named as number, { message });
}

function findDropped({ dropped }: HubOutcome, { headers }: Response): string[] {
  return difference("x-gatewright-dropped", headers.get("x-gatewright-dropped"), dropped?.join(", ") ?? null);
}

function findInStream(
  { operation, hub }: Exchange,
  response: Response,
  text: string,
  timed: (read: JsonObject) => JsonObject,
): string[] {
  const expected = hub.stream ?? [];
  const whole = expected.filter((event) => !event["error"]);
  // Nothing had gone out when the backend failed: the client gets a status.
  if (whole.length === 0) return findFirstError(response, text, (expected[0]?.["error"] ?? {}) as JsonObject);
  // A space after the colon belongs to neither: https://html.spec.whatwg.org/multipage/server-sent-events.html.
  const data = text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.replace(/^data: ?/, ""));
  const faults = [
    ...unless(
      response.headers.get("content-type")?.startsWith("text/event-stream") === true,
      "the reply is no event stream",
    ),
    ...findDropped(hub, response),
  ];
  const read = (lines: readonly string[]) => lines.map((line) => timed(JSON.parse(line) as JsonObject));
  if (hub.truncated || whole.length < expected.length) {
    const events = read(data);
    const { code } = (events.at(-1)?.["error"] ?? {}) as JsonObject;
    return [
      ...faults,
      ...difference("the stream", events.slice(0, -1), whole),
      ...unless(typeof code === "string", "the last event is no error with a code"),
    ];
  }
  const terminator = frontDoorOf(operation)?.stream?.terminator;
  return [
    ...faults,
    ...(typeof terminator === "string" ? difference("the terminator", data.pop(), terminator) : []),
    ...difference("the stream", read(data), expected),
  ];
}
