import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { requestText } from "../_support/raw-client.ts";
import { startScriptedUpstream } from "../_support/scripted-upstream.ts";
import {
  CHAT_BODY,
  chatText,
  configFor,
  errorOf,
  MODEL,
  sendOnce,
  startPair,
  type Pair,
} from "./_downstream.ts";

let pair: Pair;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(() => pair.backend.clear());

const OK = '{"id":"1","object":"chat.completion","model":"gpt-4o-mini","choices":[{}]}';

/** Sends a chat through a gateway before an upstream that answers with these header lines. */
async function replyWith(lines: string, body = OK, request = chatText()) {
  const upstream = await startScriptedUpstream(async (connection) => {
    await connection.readRequest();
    await connection.send(
      Buffer.from(`HTTP/1.1 200 OK\r\n${lines}content-length: ${body.length}\r\n\r\n${body}`),
    );
  });
  const gateway = await startTestGateway(configFor(upstream.url));
  const reply = await sendOnce(gateway.url, request);
  await gateway.close();
  await upstream.close();
  return reply;
}

describe("to the backend", () => {
  it.each([
    ["openai", ["openai-beta"]],
    ["anthropic", []],
  ])("F14: goes of a dialect's own headers what is of the backend's: %s", async (adapter, names) => {
    const backend = await startSimulatedBackend({ dialect: "openai", models: [MODEL] });
    onTestFinished(() => backend.close());
    await using gateway = await startTestGateway({
      backends: { only: { adapter, baseURL: backend.url, models: [MODEL] } },
    });
    await sendOnce(gateway.url, chatText({ "OpenAI-Beta": "a=1", "Anthropic-Beta": "b-1" }));
    const sent = Object.keys(backend.requests[0]!.headers);
    expect(sent.filter((name) => name.endsWith("-beta"))).toEqual(names);
  });

  it("F14, A13: goes what the allow-list names, and nothing else of the client's", async () => {
    const reply = await sendOnce(
      pair.gateway.url,
      chatText({
        Authorization: "Bearer client-key",
        "X-Api-Key": "client-key",
        Cookie: "session=1",
        "X-Stainless-Lang": "js",
        "User-Agent": "OpenAI/JS 6.0.0",
        Connection: "keep-alive, x-secret",
        "X-Secret": "1",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic eA==",
        "Proxy-Connection": "keep-alive",
        TE: "trailers",
        "Accept-Encoding": "gzip",
        Origin: "https://elsewhere.test",
        "X-Forwarded-For": "1.1.1.1",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Prefix": "/admin",
        Forwarded: "for=1.1.1.1",
        "OpenAI-Organization": "org-of-the-client",
        "Api-Base": "http://evil.test",
        "X-Request-Id": "mine-1",
        Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Idempotency-Key": "key-1",
      }),
    );
    expect(reply.status).toBe(200);
    const { via, host, "content-length": length, ...headers } = pair.backend.requests[0]!.headers;
    expect(headers).toEqual({
      authorization: "Bearer provider-key",
      connection: "keep-alive",
      "content-type": "application/json",
      "idempotency-key": "key-1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "user-agent": "gatewright",
      "x-request-id": "mine-1",
    });
    expect(via).toMatch(/^1\.1 gatewright-/);
    expect(host).toBe(new URL(pair.backend.url).host);
    expect(length).toBe(String(CHAT_BODY.length));
  });

  it("F14: goes nothing that the client's Connection names, though the list has it", async () => {
    await sendOnce(
      pair.gateway.url,
      chatText({
        Connection: "Idempotency-Key,  traceparent",
        Traceparent: "00-a-b-01",
        "Idempotency-Key": "k",
      }),
    );
    const { headers } = pair.backend.requests[0]!;
    expect([headers["traceparent"], headers["idempotency-key"]]).toEqual([undefined, undefined]);
  });

  it("gets an id of ours, which stays here, when the client's is none: too long, twice, or with other characters", async () => {
    const ids = [
      chatText({ "X-Request-Id": "x".repeat(129) }),
      chatText({ "X-Request-Id": "a b" }),
      chatText({ "X-Request-Id": '"}{"' }),
      chatText({ "X-Request-Id": "a\r\nX-Request-Id: b" }),
      chatText(),
    ];
    for (const request of ids) {
      const reply = await sendOnce(pair.gateway.url, request);
      expect(reply.headers["x-request-id"]).toMatch(/^req_[\da-z]+$/);
      expect(pair.backend.requests.at(-1)!.headers["x-request-id"]).toBeUndefined();
    }
  });

  it("goes no query of the client's, and no path of its own making", async () => {
    await sendOnce(
      pair.gateway.url,
      chatText().replace("completions ", "completions?api_base=http://evil.test&key=1 "),
    );
    expect(pair.backend.requests[0]).toMatchObject({ path: "/v1/chat/completions", query: "" });
    for (const path of [
      "/v1/chat/completions/",
      "/v1//chat/completions",
      "/v1/chat/../chat/completions",
      "/v1/chat%2Fcompletions",
      "/V1/chat/completions",
    ]) {
      const reply = await sendOnce(pair.gateway.url, requestText("POST", path, { body: CHAT_BODY }));
      expect(reply.status, path).toBe(404);
    }
    expect(pair.backend.requests).toHaveLength(1);
  });
});

describe("to the client", () => {
  it("F14 C4: goes what the allow-list names; Connection: x-secret of a backend takes nothing along", async () => {
    const reply = await replyWith(
      [
        "content-type: application/json",
        "connection: x-secret, keep-alive",
        "x-secret: 1",
        "keep-alive: timeout=9",
        "proxy-authenticate: Basic",
        "trailer: x-late",
        "server: secret-server/1.0",
        "x-powered-by: something",
        "set-cookie: a=b",
        "via: 1.1 inner",
        "x-request-id: of-the-backend",
        "x-ratelimit-remaining-requests: 9",
        "openai-organization: ours",
        "cache-control: public, max-age=60",
        "access-control-allow-origin: *",
        "strict-transport-security: max-age=1",
        "content-language: en",
        "",
      ].join("\r\n"),
    );
    expect(reply.status).toBe(200);
    const { date, "x-request-id": id, ...headers } = reply.headers;
    expect(headers).toEqual({
      "cache-control": "private, no-store",
      connection: "keep-alive",
      "content-language": "en",
      "content-length": String(OK.length),
      "content-type": "application/json",
      "keep-alive": "timeout=65",
      "x-gatewright-attempts": "1",
      "x-gatewright-backend": "only",
    });
    expect(date).toBeTruthy();
    expect(id).toMatch(/^req_/);
  });

  it("in-7: speech carries Content-Type, Content-Disposition, ETag and Last-Modified", async () => {
    const body = JSON.stringify({ model: "tts-1", input: "Hello", voice: "alloy" });
    const headers = { "Content-Type": "application/json" };
    const reply = await sendOnce(
      pair.gateway.url,
      requestText("POST", "/v1/audio/speech", { headers, body }),
    );
    expect(reply.headers).toMatchObject({
      "content-type": "audio/mpeg",
      "content-disposition": 'attachment; filename="speech.mp3"',
      "last-modified": "Sat, 01 Nov 2025 00:00:00 GMT",
    });
    expect(reply.headers["etag"]).toBeTruthy();
  });

  it("passes a file name in any script, as the bytes it was", async () => {
    const name = 'attachment; filename="日本 é.mp3"';
    const audio = "x".repeat(10);
    const upstream = await startScriptedUpstream(async (connection) => {
      await connection.readRequest();
      await connection.send(
        Buffer.from(
          `HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-disposition: ${name}\r\nconnection: close\r\n\r\n${audio}`,
        ),
      );
      connection.halfClose();
    });
    const gateway = await startTestGateway(configFor(upstream.url));
    const body = JSON.stringify({ model: "tts-1", input: "Hello", voice: "alloy" });
    const request = requestText("POST", "/v1/audio/speech", {
      headers: { "Content-Type": "application/json" },
      body,
    });
    const reply = await sendOnce(gateway.url, request);
    expect(reply.status).toBe(200);
    expect(reply.headers["content-disposition"]).toBe(name);
    expect(String(reply.body)).toBe(audio);
    await gateway.close();
    await upstream.close();
  });

  it("C4: errors are not to be stored either, and hold neither path, stack nor address", async () => {
    const reply = await sendOnce(pair.gateway.url, chatText({}, CHAT_BODY.replace(MODEL, "none")));
    expect(reply.status).toBe(404);
    expect(reply.headers["cache-control"]).toBe("private, no-store");
    pair.backend.faults = [{ kind: "reset" }, { kind: "reset" }];
    const failed = await sendOnce(pair.gateway.url, chatText());
    pair.backend.faults = [];
    expect(failed.status).toBe(502);
    expect(errorOf(failed).code).toBe("provider_error");
    expect(String(failed.body)).not.toMatch(/127\.0\.0\.1|\.ts|node:|provider-key/);
  });
});

describe("header injection", () => {
  it("no line of the client's making is written, on either side", async () => {
    const attempts = ["a\r\nx-injected: 1", "a\nx-injected: 1", "a\u0000", "a\r\n\r\nHTTP/1.1 200 OK"];
    for (const text of attempts) {
      const body = JSON.stringify({ model: text, messages: [{ role: text, content: text }], user: text });
      const reply = await sendOnce(pair.gateway.url, chatText({}, body));
      expect(reply.status).toBe(404);
      expect(reply.headers["x-injected"]).toBeUndefined();
      const encoded = encodeURIComponent(text);
      const listed = await sendOnce(
        pair.gateway.url,
        requestText("GET", `/v1/models/${encoded}?provider=${encoded}`),
      );
      expect(listed.status).toBe(404);
      expect(listed.head).not.toMatch(/x-injected/i);
    }
    expect(pair.backend.requests).toHaveLength(0);
  });
});

describe("loops (F19)", () => {
  it("two gateways pointed at each other end the request at once with 508", async () => {
    const first = await startTestGateway(configFor("http://127.0.0.1:1"));
    const second = await startTestGateway(configFor(first.url));
    // The first is pointed at the second only now that its port is known.
    const port = first.port;
    await first.close();
    const again = await startTestGateway({ ...configFor(second.url), server: { port } });
    const reply = await sendOnce(again.url, chatText());
    expect(reply.status).toBe(508);
    expect(errorOf(reply).code).toBe("loop_detected");
    await second.close();
    await again.close();
    const seen = [...again.lines, ...second.lines].join("").split("\n");
    expect(seen.filter((line) => line.includes('"operation":"chat"'))).toHaveLength(2);
  });
});

describe("forwarding headers (F20, li-9)", () => {
  const forged = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
  };
  const clientOf = async (trustedProxies: string[], headers: Record<string, string>): Promise<unknown> => {
    await using own = await startPair({ server: { trustedProxies } });
    await sendOnce(own.gateway.url, chatText(headers));
    await own.gateway.close();
    const line = own.gateway.lines
      .join("")
      .split("\n")
      .find((text) => text.includes('"operation":"chat"'));
    return (JSON.parse(line!) as { client: string }).client;
  };

  it("are ignored from a peer that is no trusted proxy", async () => {
    expect(await clientOf([], forged)).toBe("127.0.0.1");
    expect(await clientOf(["10.0.0.0/8"], { ...forged, Forwarded: "for=203.0.113.8" })).toBe("127.0.0.1");
  });

  it("name the right-most untrusted hop from one that is", async () => {
    expect(await clientOf(["127.0.0.1"], forged)).toBe("203.0.113.9");
    const chain = { "X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.0.0.1" };
    expect(await clientOf(["127.0.0.0/8", "10.0.0.0/8"], chain)).toBe("203.0.113.9");
    expect(await clientOf(["127.0.0.1"], { Forwarded: 'for=1.1.1.1, for="[2001:db8::9]:1"' })).toBe(
      "2001:db8::9",
    );
  });
});

describe("an answer from beside the operations", () => {
  const ping = defineGatewayPlugin({
    name: "ping",
    options: v.strictObject({}),
    setup: () => ({
      middleware: (_, next) => next(),
      routes: (app) => {
        app.get("/ping", () => "pong");
        app.get("/ping/own", () => new Response("pong", { headers: { "x-request-id": "its-own" } }));
        app.get("/ping/moved", () => Response.redirect("http://elsewhere.test/", 302));
        app.get("/ping/broken", () => {
          throw new Error("broken");
        });
      },
    }),
  });
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ ...configFor("http://127.0.0.1:9"), plugins: [ping()] });
  });
  afterAll(() => gateway.close());

  it.each([
    ["GET", "/health", 200],
    ["GET", "/livez", 200],
    ["GET", "/readyz", 200],
    ["POST", "/health", 405],
    ["OPTIONS", "*", 204],
    ["GET", "/ping", 200],
    ["GET", "/ping/moved", 302],
    ["GET", "/ping/broken", 500],
    ["GET", "/nowhere", 404],
  ])("%s %s: %i with the client's `x-request-id`, or one of the gateway's", async (method, path, status) => {
    const given = await sendOnce(
      gateway.url,
      requestText(method, path, { headers: { "X-Request-Id": "mine-1", Connection: "close" } }),
    );
    expect(given.status).toBe(status);
    expect(given.headers["x-request-id"]).toBe("mine-1");
    const made = await sendOnce(gateway.url, requestText(method, path, { headers: { Connection: "close" } }));
    expect(made.headers["x-request-id"]).toMatch(/^req_[\da-z]+$/);
  });

  it("HEAD /health: the same, without a body", async () => {
    const reply = await fetch(`${gateway.url}/health`, {
      method: "HEAD",
      headers: { "x-request-id": "mine-1" },
    });
    expect([reply.status, reply.headers.get("x-request-id"), await reply.text()]).toEqual([
      200,
      "mine-1",
      "",
    ]);
  });

  it("has the id of the request, whatever its route gave it", async () => {
    const headers = { "X-Request-Id": "mine-1" };
    const reply = await sendOnce(gateway.url, requestText("GET", "/ping/own", { headers }));
    expect(reply.headers["x-request-id"]).toBe("mine-1");
  });

  it.each(["/health", "/livez", "/readyz"])("on a web runtime too: %s", async (path) => {
    const reply = await gateway.server.gateway.fetch(
      new Request(`http://gateway.test${path}`, { headers: { "x-request-id": "mine-1" } }),
    );
    expect(reply.status).toBe(200);
    expect(reply.headers.get("x-request-id")).toBe("mine-1");
  });

  it.each(["/health", "/livez", "/readyz"])("%s has no other methods: 405 with `allow`", async (path) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const reply = await sendOnce(gateway.url, requestText(method, path));
      expect(reply.status).toBe(405);
      expect(reply.headers["allow"]).toBe("GET, HEAD");
      expect(errorOf(reply).code).toBe("method_not_allowed");
    }
  });
});
