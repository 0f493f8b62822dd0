import { setTimeout as sleep } from "node:timers/promises";
import type { Adapter, JsonObject } from "gatewright";
import type { Check } from "./check.ts";
import { bytesOf } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { playBackend } from "./played-backend.ts";
import { playedOptions, withPlayedGateway } from "./played-gateway.ts";
import { optionsOf, readStream, writeRequest } from "./run-mapping.ts";

/** Bound for what does not happen; what does happen is not waited for. */
const DEADLINE_MS = 5_000;

/** A client that leaves, at any moment, ends what goes on for it. */
export function cancellationChecks(adapter: Adapter, exchanges: readonly Exchange[]): Check[] {
  const sent = exchanges.find(({ upstream, hub }) => upstream && (hub.reply ?? hub.stream));
  const streamed = exchanges.find(({ operation, hub }) => operation === "chat" && isWhole(hub.stream));
  const check = (title: string, find: () => Promise<string[]>): Check => ({
    group: "a client that leaves",
    title,
    find,
  });
  return [
    ...(sent
      ? [
          check("E14: ends the upstream call that has no answer yet", () =>
            findWaiting(adapter, sent, "before headers"),
          ),
        ]
      : []),
    ...(streamed
      ? [
          check("E14: ends the upstream stream before its first content", () =>
            findWaiting(adapter, streamed, "after chunks"),
          ),
          check("E14: ends the upstream stream after its first content", () =>
            findMidStream(adapter, streamed),
          ),
        ]
      : []),
    ...(sent && adapter.authorize
      ? [check("E14: ends the wait for a credential", () => findInAuthorize(adapter, sent))]
      : []),
  ];
}

function isWhole(stream: readonly JsonObject[] | undefined): boolean {
  return stream?.some(hasContent) === true && stream.every((event) => !event["error"]);
}

function findWaiting(
  adapter: Adapter,
  exchange: Exchange,
  silent: "before headers" | "after chunks",
): Promise<string[]> {
  const held: Exchange = { ...exchange, upstream: withChunks(exchange, []) };
  return withPlayedGateway(adapter, held, { silent }, async ({ backend, ask }) => {
    const client = new AbortController();
    const answer = ask(client.signal).catch(() => undefined);
    if (!(await comes(backend.arrived))) return ["the request did not reach the backend"];
    client.abort();
    await answer;
    return (await comes(backend.abandoned)) ? [] : ["the upstream call went on"];
  });
}

async function findMidStream(adapter: Adapter, exchange: Exchange): Promise<string[]> {
  const bytes = Buffer.concat(bytesOf(exchange.upstream!.reply));
  const begun = bytes.subarray(0, firstContentEnd(adapter, exchange, bytes));
  const held: Exchange = { ...exchange, upstream: withChunks(exchange, [begun]) };
  return withPlayedGateway(adapter, held, { silent: "after chunks" }, async ({ backend, ask }) => {
    const client = new AbortController();
    const reading = ask(client.signal).then((response) => response.body!.getReader().read());
    reading.catch(() => undefined);
    if (!(await comes(reading))) {
      client.abort();
      return ["the first content was held back until the next one"];
    }
    client.abort();
    return (await comes(backend.abandoned)) ? [] : ["the upstream stream went on"];
  });
}

function withChunks({ upstream }: Exchange, chunks: Uint8Array[]): Exchange["upstream"] {
  const { request, reply } = upstream!;
  return { request, reply: { status: reply.status, headers: reply.headers, chunks } };
}

/** How many bytes it takes until there is content to send on. */
function firstContentEnd(adapter: Adapter, exchange: Exchange, bytes: Uint8Array): number {
  let [none, some] = [0, bytes.length];
  while (some - none > 1) {
    const middle = Math.floor((none + some) / 2);
    if (readStream(adapter, exchange, [bytes.subarray(0, middle)], false).some(hasContent)) some = middle;
    else none = middle;
  }
  return some;
}

function hasContent({ choices }: JsonObject): boolean {
  return (
    Array.isArray(choices) &&
    (choices as { delta?: JsonObject }[]).some(
      ({ delta }) => typeof delta?.["content"] === "string" && delta["content"] !== "",
    )
  );
}

async function findInAuthorize(adapter: Adapter, exchange: Exchange): Promise<string[]> {
  const issuer = await playBackend({ status: 500, headers: {} }, { silent: "before tokens" });
  const client = new AbortController();
  try {
    const asked = {
      ...exchange,
      backend: { ...exchange.backend, options: playedOptions(exchange, issuer.url) },
    };
    const { method, path, headers, body } = writeRequest(adapter, asked).request;
    const call = { method, url: new URL(path, issuer.url), headers, body: JSON.stringify(body) };
    const account = { apiKey: exchange.backend.apiKey, options: optionsOf(adapter, asked), refused: false };
    const settled = adapter.authorize!(call, { ...account, signal: client.signal }).then(
      () => undefined,
      () => undefined,
    );
    await comes(Promise.race([issuer.arrived, settled]));
    client.abort();
    return (await comes(settled)) ? [] : ["`authorize` goes on after its signal"];
  } finally {
    await issuer.close();
  }
}

/** False when it does not come within the deadline. */
async function comes(promise: Promise<unknown>): Promise<boolean> {
  const deadline = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(DEADLINE_MS, false, { signal: deadline.signal }),
    ]);
  } finally {
    deadline.abort();
  }
}
