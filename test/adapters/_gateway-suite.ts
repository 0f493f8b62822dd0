/** The same exchanges as in `_suite.ts`, played by a real server and asked for through a real gateway. */
import { resolveConfig, serve } from "gatewright";
import type { JsonObject, OperationName, RunningServer } from "gatewright";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { playBackend } from "./_backend.ts";
import type { PlayedBackend } from "./_backend.ts";
import { NOW_SECONDS, readExchanges, REQUEST_ID } from "./_exchange.ts";
import type { Exchange } from "./_exchange.ts";

const PATHS: Partial<Record<OperationName, string>> = {
  chat: "/v1/chat/completions",
  completions: "/v1/completions",
  responses: "/v1/responses",
  embeddings: "/v1/embeddings",
  rerank: "/v1/rerank",
  moderation: "/v1/moderations",
  imageGeneration: "/v1/images/generations",
};

/** Operations whose streams end with `[DONE]`. */
const TERMINATED = new Set<OperationName>(["chat", "completions"]);

export function testThroughGateway(adapter: string): void {
  describe(`adapter ${adapter} through a gateway`, () => {
    beforeAll(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW_SECONDS * 1000 }));
    afterAll(() => void vi.useRealTimers());

    for (const exchange of readExchanges(adapter)) {
      it(exchange.title, async () => {
        const backend = await playBackend(exchange.upstream?.reply ?? { status: 500, headers: {} });
        const gateway = await startGateway(adapter, exchange, backend);
        try {
          const response = await fetch(`${gateway.url}${PATHS[exchange.operation]}`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(exchange.request),
          });
          expectRequest(exchange, backend);
          expectReply(withIdOf(response, exchange), response, await response.text());
        } finally {
          await gateway.stop(1_000);
          await backend.close();
        }
      });
    }
  });
}

/** Ids in recorded replies are made from the recorded request's; here they come from the one that the gateway gave. */
function withIdOf({ headers }: Response, exchange: Exchange): Exchange {
  const id = headers.get("x-request-id")!;
  const recorded = JSON.stringify(exchange.hub);
  const hub = recorded.replaceAll(REQUEST_ID, id).replaceAll(bare(REQUEST_ID), bare(id));
  return { ...exchange, hub: JSON.parse(hub) as Exchange["hub"] };
}

/** As ids of tool calls hold it. */
function bare(id: string): string {
  return id.replaceAll(/[^A-Za-z0-9]/g, "").slice(-24);
}

async function startGateway(
  adapter: string,
  { backend, request }: Exchange,
  { url }: PlayedBackend,
): Promise<RunningServer> {
  const { model, apiKey } = backend;
  // What else a backend needs, e.g. an issuer of tokens, is played by the same server.
  const options = JSON.parse(
    JSON.stringify(backend.options).replaceAll("http://played.invalid", url),
  ) as JsonObject;
  const config = {
    server: { host: "127.0.0.1", port: 0 },
    log: { level: "silent" },
    backends: { played: { adapter, baseURL: `${url}/base`, apiKey, models: [model], ...options } },
    models: { [String(request["model"])]: { targets: [{ backend: "played", model }] } },
    plugins: [],
  };
  const resolved = await resolveConfig(config, { dir: import.meta.dirname });
  if (!resolved.ok) throw new Error(resolved.faults.map(({ message }) => message).join("\n"));
  return serve(resolved.config);
}

function expectRequest({ upstream }: Exchange, { received }: PlayedBackend): void {
  if (!upstream) {
    expect(received).toEqual([]);
    return;
  }
  const { method, path, headers, body } = upstream.request;
  expect(received).toHaveLength(1);
  expect(received[0]).toMatchObject({ method, path: `/base${path}`, headers });
  expect(received[0]?.body).toEqual(body);
}

function expectReply(exchange: Exchange, response: Response, text: string): void {
  const { hub, operation, backend } = exchange;
  expect(text).not.toContain(backend.apiKey);
  if (hub.refused !== undefined) {
    expect(response.status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ error: { code: "unsupported_parameter", param: hub.refused } });
    return;
  }
  if (hub.error) {
    expect(response.status).toBe(hub.error.status);
    expect(JSON.parse(text)).toMatchObject({ error: { code: hub.error.code } });
    return;
  }
  if (hub.reply) {
    expect(response.status).toBe(200);
    expectDropped(hub, response);
    expect(JSON.parse(text)).toEqual(hub.reply);
    return;
  }
  expectStream(operation, hub, response, text);
}

function expectDropped({ dropped }: Exchange["hub"], { headers }: Response): void {
  expect(headers.get("x-gatewright-dropped")).toBe(dropped?.join(", ") ?? null);
}

function expectStream(
  operation: OperationName,
  hub: Exchange["hub"],
  response: Response,
  text: string,
): void {
  const expected = hub.stream ?? [];
  const whole = expected.filter((event) => !event["error"]);
  if (whole.length === 0) {
    // Nothing had gone out when the backend failed: the client gets a status.
    expect(response.status).toBe(502);
    return;
  }
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream\b/);
  expectDropped(hub, response);
  const data = text
    .split("\n")
    .filter((line) => line.startsWith("data: "))
    .map((line) => line.slice("data: ".length));
  if (hub.truncated || whole.length < expected.length) {
    const events = data.map((line) => JSON.parse(line) as JsonObject);
    expect(events.slice(0, -1)).toEqual(whole);
    expect(events.at(-1)).toMatchObject({ error: { code: expect.any(String) as string } });
    return;
  }
  if (TERMINATED.has(operation)) expect(data.pop()).toBe("[DONE]");
  expect(data.map((line) => JSON.parse(line) as JsonObject)).toEqual(expected);
}
