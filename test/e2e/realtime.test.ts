import { createHash } from "node:crypto";
import { once } from "node:events";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { concurrency } from "@gatewright/concurrency";
import { fallback } from "@gatewright/fallback";
import { hedge } from "@gatewright/hedge";
import { rateLimit } from "@gatewright/rate-limit";
import { realtime } from "@gatewright/realtime";
import { retry } from "@gatewright/retry";
import { streamRecovery } from "@gatewright/stream-recovery";
import { timeout } from "@gatewright/timeout";
import { defineGatewayPlugin, type Finished, type Plugin } from "gatewright";
import * as v from "valibot";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { connectRaw } from "../_support/raw-client.ts";
import { startScriptedUpstream } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import { startRealtimeBackend, type RealtimeBackend } from "./_realtime-backend.ts";

const KEY = "sk-realtime-0123456789abcdefghij";
const ACCOUNT = "sk-account-of-the-backend";
const MODEL = "talker";

/** Notes how each request ended. */
function watch(ended: Finished[]): Plugin {
  return defineGatewayPlugin({
    name: "watch",
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware: (ctx, next) => {
        ctx.onFinished((finished) => ended.push(finished));
        return next();
      },
    }),
  })();
}

let backend: RealtimeBackend;
let gateway: TestGateway;
let ended: Finished[];
const clients: WebSocket[] = [];

async function start(
  { options = {}, plugins = [] }: { options?: object; plugins?: Plugin[] } = {},
  config: Record<string, unknown> = {},
): Promise<void> {
  ended = [];
  gateway = await startTestGateway({
    backends: {
      one: { adapter: "openai", baseURL: `${backend.url}/v1`, apiKey: ACCOUNT, models: ["upstream-name"] },
    },
    models: { [MODEL]: { targets: [{ backend: "one", model: "upstream-name" }] } },
    plugins: [
      watch(ended),
      apiKeys({ keys: [{ id: "tester", key: KEY }] }),
      realtime(options),
      ...plugins,
      balancer(),
    ],
    ...config,
  });
}

interface Client {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

function dial(query = `model=${MODEL}`, options: ClientOptions = {}, protocols: string[] = []): Client {
  const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/realtime?${query}`, protocols, {
    headers: { authorization: `Bearer ${KEY}` },
    ...options,
  });
  clients.push(socket);
  const messages: (string | Buffer)[] = [];
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) =>
    messages.push(isBinary ? (data as Buffer) : (data as Buffer).toString()),
  );
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  return { socket, messages, closed };
}

/** An open session, greeted by the backend. */
async function open(...args: Parameters<typeof dial>): Promise<Client> {
  const client = dial(...args);
  await once(client.socket, "open");
  await waitFor("the greeting", () => client.messages.length === 1);
  return client;
}

/** Status and body of a handshake that is refused. */
async function refusal(...args: Parameters<typeof dial>): Promise<{ status: number; code: string }> {
  const client = dial(...args);
  const [, response] = (await once(client.socket, "unexpected-response")) as [
    unknown,
    NodeJS.ReadableStream & { statusCode: number },
  ];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  const { error } = JSON.parse(text) as { error: { code: string } };
  return { status: response.statusCode, code: error.code };
}

const end = (): Promise<Finished> => waitFor("the end of the request", () => ended[0]);
const session = (): RealtimeBackend["sessions"][number] => backend.sessions[0]!;

beforeEach(async () => {
  backend = await startRealtimeBackend();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await gateway.close();
  await backend.close();
});

describe("mo-4: the model's name in a session", () => {
  const update = (model: string): string => JSON.stringify({ type: "session.update", session: { model } });
  const updated = (model: string): string => JSON.stringify({ type: "session.updated", session: { model } });

  it("is the client's for the client, and the backend's for the backend", async () => {
    await start();
    const { socket, messages } = await open();
    session().socket.send(updated("upstream-name"));
    await waitFor("the event", () => messages.length === 2);
    expect(messages[1]).toBe(updated(MODEL));
    socket.send(update(MODEL));
    await waitFor("the echo", () => messages.length === 3);
    expect(session().messages).toEqual([update("upstream-name")]);
  });

  it("is not looked for where both have the same", async () => {
    await start();
    const { socket, messages } = await open("model=upstream-name");
    const spaced = '{ "type": "session.update", "session": { "model": "upstream-name" } }';
    socket.send(spaced);
    await waitFor("the echo", () => messages.length === 2);
    expect(session().messages).toEqual([spaced]);
  });

  it("changes nothing of the order in which much arrives", async () => {
    await start();
    const { socket, messages } = await open();
    const sent: string[] = [];
    for (let index = 0; index < 60; index++)
      sent.push(index % 3 === 0 ? updated(MODEL) : `{"index":${index},"audio":"${"A".repeat(50_000)}"}`);
    for (const message of sent) socket.send(message);
    await waitFor("all echoes", () => messages.length === 61);
    expect(messages.slice(1)).toEqual(sent);
    expect(session().messages).toEqual(sent);
  });
});

describe("a session", () => {
  it("is joined to the backend's, under its name of the model and its credential", async () => {
    await start();
    const { socket, messages, closed } = await open(`model=${MODEL}&intent=talk&key=${KEY}`, {
      headers: { authorization: `Bearer ${KEY}`, "openai-beta": "realtime=v1", cookie: "a=1" },
    });
    expect(JSON.parse(String(messages[0]))).toEqual({ type: "session.created", session: { model: MODEL } });
    const { url, headers } = session().request;
    expect(url).toBe("/v1/realtime?model=upstream-name&intent=talk");
    expect(headers.authorization).toBe(`Bearer ${ACCOUNT}`);
    expect(headers["openai-beta"]).toBe("realtime=v1");
    expect(headers.cookie).toBeUndefined();
    expect(headers.via).toMatch(/^1\.1 gatewright-/);
    expect(JSON.stringify(session().request.rawHeaders)).not.toContain(KEY);

    socket.close(1000, "done");
    expect(await closed).toEqual({ code: 1000, reason: "done" });
    expect((await end()).outcome).toBe("complete");
  });

  it("passes text, bytes and large messages both ways as they are", async () => {
    await start();
    const { socket, messages } = await open();
    const large = Buffer.alloc(3_000_000, "ü");
    const sent = ["plain", "", "ü∑😀", Buffer.from([0, 1, 255]), Buffer.alloc(0), large];
    for (const message of sent) socket.send(message);
    await waitFor("all echoes", () => messages.length === 1 + sent.length);
    expect(session().messages.map(digest)).toEqual(sent.map(digest));
    expect(messages.slice(1).map(digest)).toEqual(sent.map(digest));
  });

  it("passes fragments and pings on", async () => {
    await start();
    const { socket } = await open();
    const pings: string[] = [];
    const pongs: string[] = [];
    session().socket.on("ping", (data) => pings.push(data.toString()));
    socket.on("pong", (data) => pongs.push(data.toString()));
    socket.send("one ", { fin: false });
    socket.ping("between");
    socket.send("two", { fin: true });
    await waitFor("the whole message", () => session().messages.length === 1);
    expect(session().messages).toEqual(["one two"]);
    await waitFor("the pong", () => pongs.length === 1);
    expect([pings, pongs]).toEqual([["between"], ["between"]]);
  });

  it("adds up what each response.done says of usage, and leaves one line in the log", async () => {
    await start();
    const { socket, messages, closed } = await open();
    for (let turn = 1; turn <= 2; turn++) {
      socket.send('{"type":"response.create"}');
      await waitFor("the answer", () => messages.length === 1 + 3 * turn);
    }
    socket.close();
    await closed;
    const finished = await end();
    expect(finished.usage).toMatchObject({ inputTokens: 14, outputTokens: 10, totalTokens: 24 });
    expect(finished.status).toBe(101);
    expect(finished.bytesIn).toBeGreaterThan(0);
    expect(finished.bytesOut).toBeGreaterThan(0);
    const lines = await waitFor("the line", () => {
      const found = gateway.lines
        .flatMap((text) => text.trim().split("\n"))
        .filter((line) => line.includes('"request"'));
      return found.length > 0 ? found : undefined;
    });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      operation: "realtime",
      model: MODEL,
      backend: "one",
      status: 101,
      outcome: "complete",
      inputTokens: 14,
      outputTokens: 10,
      key: "tester",
    });
  });

  it("adds up the cached and the reasoning tokens of its answers", async () => {
    await start();
    const { socket, messages, closed } = await open();
    const usage = {
      input_tokens: 7,
      output_tokens: 5,
      total_tokens: 12,
      input_token_details: { cached_tokens: 4 },
      output_token_details: { reasoning_tokens: 3 },
    };
    for (let turn = 1; turn <= 3; turn++)
      session().socket.send(JSON.stringify({ type: "response.done", response: { usage } }));
    await waitFor("all answers", () => messages.length === 4);
    socket.close();
    await closed;
    expect((await end()).usage).toEqual({
      inputTokens: 21,
      outputTokens: 15,
      totalTokens: 36,
      cachedTokens: 12,
      reasoningTokens: 9,
    });
  });

  it("carries the backend's close code and reason", async () => {
    await start();
    const { closed } = await open();
    session().socket.close(4_321, "enough");
    expect(await closed).toEqual({ code: 4_321, reason: "enough" });
    expect((await end()).outcome).toBe("complete");
  });

  it("counts as in flight until it is over", async () => {
    await start();
    const { socket, closed } = await open();
    expect(gateway.server.gateway.active).toBe(1);
    socket.close();
    await closed;
    await end();
    expect(gateway.server.gateway.active).toBe(0);
  });

  it("speaks what the client said before it was answered", async () => {
    await start();
    const raw = await connectRaw(gateway.url);
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    await raw.send(Buffer.concat([Buffer.from(handshake()), frame]));
    await waitFor("the message", () => session()?.messages.length === 1);
    expect(session().messages).toEqual(["hi"]);
    raw.destroy();
  });
});

/** Short to compare; text and bytes differ. */
function digest(message: string | Buffer): string {
  return `${typeof message} ${createHash("sha256").update(message).digest("hex")}`;
}

function handshake(headers: Record<string, string> = {}): string {
  const all = {
    Host: "gateway",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    Authorization: `Bearer ${KEY}`,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET /v1/realtime?model=${MODEL} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

describe("the key of a browser", () => {
  it("comes among the subprotocols, and goes no further", async () => {
    await start();
    const { socket } = await open(`model=${MODEL}`, { headers: {} }, [
      "realtime",
      `openai-insecure-api-key.${KEY}`,
      "openai-organization.org-1",
      "openai-beta.realtime-v1",
    ]);
    expect(socket.protocol).toBe("realtime");
    expect(session().request.headers["sec-websocket-protocol"]).toBe("realtime, openai-beta.realtime-v1");
    expect(session().request.headers.authorization).toBe(`Bearer ${ACCOUNT}`);
  });

  it("is refused like any other that is not valid", async () => {
    await start();
    const protocols = ["realtime", "openai-insecure-api-key.sk-of-nobody"];
    expect(await refusal(`model=${MODEL}`, { headers: {} }, protocols)).toEqual({
      status: 401,
      code: "invalid_api_key",
    });
  });
});

/** An upstream that does what its script says, closed when the test is over. */
async function scripted(
  ...[script]: Parameters<typeof startScriptedUpstream>
): ReturnType<typeof startScriptedUpstream> {
  const upstream = await startScriptedUpstream(script);
  onTestFinished(() => upstream.close());
  return upstream;
}

const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";

describe("refusals", () => {
  it.each([
    ["no key", `model=${MODEL}`, { headers: {} }, 401, "invalid_api_key"],
    ["an unknown model", "model=nobody", {}, 404, "model_not_found"],
    ["no model", "", {}, 400, "missing_parameter"],
  ])("%s is answered in HTTP, and the backend sees nothing", async (_, query, options, status, code) => {
    await start();
    expect(await refusal(query, options)).toEqual({ status, code });
    expect(backend.sessions).toHaveLength(0);
    expect((await end()).outcome).toBe("rejected");
    expect(gateway.server.gateway.active).toBe(0);
  });

  it("what a plugin answers in the backend's place is an answer in HTTP", async () => {
    const answering = defineGatewayPlugin({
      name: "answering",
      options: v.strictObject({}),
      setup: () => ({
        middleware: () =>
          Promise.resolve({ status: 203, headers: { "x-own": "1" }, body: '{"error":{"code":"own"}}' }),
      }),
    })();
    await start({ plugins: [answering] });
    expect(await refusal()).toEqual({ status: 203, code: "own" });
    expect(backend.sessions).toHaveLength(0);
    expect((await end()).outcome).toBe("complete");
  });

  it("a backend that does not answer is given up after firstByteMs", async () => {
    const silent = await scripted(async (connection) => {
      await connection.readRequest();
    });
    await start(
      {},
      {
        timeouts: { firstByteMs: 150 },
        backends: { one: { adapter: "openai", baseURL: `${silent.url}/v1`, models: ["upstream-name"] } },
      },
    );
    expect(await refusal()).toEqual({ status: 504, code: "timeout" });
    expect((await end()).attempts[0]!.outcome).toBe("upstream_error");
  });

  it.each([
    ["an extension that was not offered", `${SWITCHING}sec-websocket-extensions: permessage-deflate\r\n\r\n`],
    ["a plain answer", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"],
  ])("a backend that answers with %s is 502", async (_, reply) => {
    const odd = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(reply);
    });
    await start(
      {},
      { backends: { one: { adapter: "openai", baseURL: `${odd.url}/v1`, models: ["upstream-name"] } } },
    );
    expect(await refusal()).toEqual({ status: 502, code: "provider_error" });
  });

  it("a plain request of the path is 426", async () => {
    await start();
    const reply = await fetch(`${gateway.url}/v1/realtime?model=${MODEL}`);
    expect([reply.status, reply.headers.get("upgrade")]).toEqual([426, "websocket"]);
    expect(await reply.json()).toMatchObject({ error: { code: "upgrade_required" } });
  });

  it.each([
    ["another version", { "Sec-WebSocket-Version": "8" }, 426],
    ["a key that is none", { "Sec-WebSocket-Key": "short" }, 400],
    ["another protocol", { Upgrade: "h2c" }, 426],
  ])("%s is %s", async (_, headers, status) => {
    await start();
    const raw = await connectRaw(gateway.url);
    await raw.send(handshake(headers));
    expect(String(await raw.readUntil("\r\n"))).toContain(` ${status} `);
    raw.destroy();
  });

  it("the rate limit counts handshakes", async () => {
    await start({ plugins: [rateLimit({ rate: 1, per: "minute" })] });
    await open();
    expect((await refusal()).status).toBe(429);
  });

  it("the concurrency limit holds a slot for as long as the session lasts", async () => {
    await start({ plugins: [concurrency({ maxConcurrent: 1, queue: { maxEntries: 1, maxWaitMs: 50 } })] });
    const first = await open();
    expect((await refusal()).status).toBe(504);
    first.socket.close();
    await first.closed;
    await end();
    await open();
  });
});

describe("a backend that fails", () => {
  it("at the handshake is another's turn", async () => {
    await using broken = await startRealtimeBackend();
    broken.refuseWith = 503;
    await start(
      { plugins: [retry({ maxAttempts: 2 })] },
      {
        backends: {
          bad: { adapter: "openai", baseURL: `${broken.url}/v1`, models: ["upstream-name"], weight: 1 },
          one: { adapter: "openai", baseURL: `${backend.url}/v1`, models: ["upstream-name"], weight: 1 },
        },
        models: {
          [MODEL]: {
            targets: [
              { backend: "bad", model: "upstream-name" },
              { backend: "one", model: "upstream-name" },
            ],
          },
        },
      },
    );
    await open();
    await open();
    expect(backend.sessions).toHaveLength(2);
    expect(broken.refused.length).toBeGreaterThan(0);
  });

  it.each([
    [401, 502, "upstream_auth_error"],
    [429, 429, "busy"],
    [500, 502, "provider_error"],
  ])("at the handshake with %i is told with %i", async (upstream, status, code) => {
    await start();
    backend.refuseWith = upstream;
    expect(await refusal()).toEqual({ status, code });
    expect((await end()).outcome).toBe("upstream_error");
  });

  it("opens the breaker like any other operation", async () => {
    await start({ plugins: [circuitBreaker({ failureThreshold: 2 })] });
    backend.refuseWith = 500;
    for (let n = 0; n < 10; n++) await refusal();
    expect(backend.refused.length).toBeLessThan(10);
  });

  it("in the middle of a session ends it with 1014 for the client", async () => {
    await start();
    const { closed } = await open();
    session().socket.terminate();
    expect((await closed).code).toBe(1014);
    const finished = await end();
    expect([finished.outcome, finished.error!.code]).toEqual(["truncated", "upstream_interrupted"]);
    expect(finished.attempts[0]!.outcome).toBe("truncated");
  });
});

describe("the end of a session", () => {
  it("comes to the backend at once when the client breaks off", async () => {
    await start();
    const { socket } = await open();
    socket.terminate();
    const { code } = await waitFor("the end at the backend", () => session().closed, 1_000);
    expect(code).toBe(1006);
    const finished = await end();
    expect(finished.outcome).toBe("client_abort");
    expect(ended).toHaveLength(1);
  });

  it("comes with 1001 after silence from both sides", async () => {
    await start({ options: { idleMs: 200 } });
    const { closed } = await open();
    expect(await closed).toEqual({ code: 1001, reason: "Nothing was said for 200 ms" });
    await waitFor("the end at the backend", () => session().closed);
    expect((await end()).attempts[0]!.outcome).toBe("cancelled");
  });

  it("comes with 1001 after the longest time", async () => {
    await start({ options: { idleMs: 0, maxSessionMs: 300 } });
    const { socket, closed } = await open();
    const talk = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send("still here"), 20);
    expect((await closed).code).toBe(1001);
    clearInterval(talk);
  });

  it("comes with 1001 when the gateway shuts down, after the time that it gives", async () => {
    await start();
    const { closed } = await open();
    expect(await gateway.server.stop(0)).toBe(false);
    expect((await closed).code).toBe(1001);
    expect(await waitFor("the end at the backend", () => session().closed)).toBeDefined();
    expect(ended).toHaveLength(1);
  });

  it("is waited for by a gateway that shuts down", async () => {
    await start();
    const { socket, messages, closed } = await open();
    const stopped = gateway.server.stop(10_000);
    socket.send("still heard");
    await waitFor("the echo", () => messages.length === 2);
    socket.close(1000);
    expect((await closed).code).toBe(1000);
    expect(await stopped).toBe(true);
  });

  it("is no other behind the plugins that act on answers", async () => {
    await start({
      plugins: [
        cache(),
        retry(),
        fallback({ models: { "*": [MODEL] } }),
        hedge({ afterMs: 60_000 }),
        streamRecovery({ strategy: "continue" }),
        timeout({ totalMs: 1_000, idleMs: 1_000 }),
        circuitBreaker(),
      ],
    });
    const { socket, messages, closed } = await open();
    const began = performance.now();
    await waitFor("more than the limits of answers", () => performance.now() - began > 1_200);
    socket.send("still here");
    await waitFor("the echo", () => messages.length === 2);
    socket.close(1000);
    expect((await closed).code).toBe(1000);
    expect((await end()).attempts.map(({ outcome }) => outcome)).toEqual(["complete"]);
  });

  it("outlasts totalMs, which is for answers", async () => {
    await start({}, { timeouts: { totalMs: 1_000 } });
    const { socket, messages } = await open();
    const began = performance.now();
    await waitFor("more than the deadline", () => performance.now() - began > 1_200);
    socket.send("still here");
    await waitFor("the echo", () => messages.length === 2);
  });
});

describe("back-pressure", () => {
  it("holds the backend back while the client does not read", async () => {
    await start();
    const { socket, messages } = await open();
    socket.pause();
    const piece = Buffer.alloc(256 * 1024, 1);
    const upstream = session().socket;
    let sent = 0;
    // Pushes until nothing more is taken: what is in flight is bounded by buffers, not by what is to be sent.
    await waitFor("the backend to be held back", () => {
      if (upstream.bufferedAmount > 4 * piece.length) return true;
      upstream.send(piece);
      sent++;
      return false;
    });
    expect(sent).toBeLessThan(1_000);
    socket.resume();
    await waitFor("all of it", () => messages.length === 1 + sent);
    expect(messages.slice(1).every((message) => piece.equals(message as Buffer))).toBe(true);
  });

  it("holds the client back while the backend does not read", async () => {
    await start();
    const { socket } = await open();
    session().socket.pause();
    const piece = Buffer.alloc(256 * 1024, 2);
    let sent = 0;
    await waitFor("the client to be held back", () => {
      if (socket.bufferedAmount > 4 * piece.length) return true;
      socket.send(piece);
      sent++;
      return false;
    });
    session().socket.resume();
    await waitFor("all of it", () => session().messages.length === sent);
    expect(session().messages.every((message) => piece.equals(message as Buffer))).toBe(true);
  });

  it("cuts off a client that takes nothing for writeTimeoutMs", async () => {
    await start({}, { server: { limits: { writeTimeoutMs: 300 } } });
    const { socket } = await open();
    socket.pause();
    const piece = Buffer.alloc(1024 * 1024, 1);
    for (let n = 0; n < 64; n++) session().socket.send(piece);
    expect((await end()).outcome).toBe("client_abort");
    await waitFor("the end at the backend", () => session().closed);
  });
});
