import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { chunk, LAST_CHUNK, replyHead, startScriptedUpstream } from "../_support/scripted-upstream.ts";
import { startTestGateway } from "../_support/gateway.ts";
import {
  CHAT_BODY,
  chatText,
  configFor,
  errorOf,
  MODEL,
  post,
  rawText,
  sendOnce,
  sendToClose,
  startPair,
  type Pair,
} from "./_downstream.ts";

const CHAT = "POST /v1/chat/completions HTTP/1.1";
const HOST = "Host: gateway.test";
const JSON_TYPE = "Content-Type: application/json";
const LENGTH = `Content-Length: ${Buffer.byteLength(CHAT_BODY)}`;
const CHUNKED_BODY = `${Buffer.byteLength(CHAT_BODY).toString(16)}\r\n${CHAT_BODY}\r\n0\r\n\r\n`;

let pair: Pair;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair[Symbol.asyncDispose]());
beforeEach(() => pair.backend.clear());

const once = (bytes: string): ReturnType<typeof sendOnce> => sendOnce(pair.gateway.url, bytes);
const toClose = (bytes: string): ReturnType<typeof sendToClose> => sendToClose(pair.gateway.url, bytes);

/** Refused with one of the statuses, one reply only, the connection closed, and the backend saw nothing. */
async function expectRefused(bytes: string, ...statuses: number[]): Promise<void> {
  const reply = await toClose(bytes);
  expect(statuses).toContain(reply.status);
  expect(reply.rest).toBe("");
  expect(pair.backend.requests).toHaveLength(0);
}

describe("ambiguous lengths", () => {
  const smuggled = rawText("GET /v1/models HTTP/1.1", [HOST]);
  const both = (first: string, second: string): string =>
    rawText(CHAT, [HOST, JSON_TYPE, first, second], `0\r\n\r\n${smuggled}`);

  it("F1: Content-Length with Transfer-Encoding is 400 and close, in both orders; the hidden request never runs", async () => {
    await expectRefused(both("Content-Length: 5", "Transfer-Encoding: chunked"), 400);
    await expectRefused(both("Transfer-Encoding: chunked", "Content-Length: 5"), 400);
  });

  it.each([
    ["different", ["Content-Length: 5", LENGTH]],
    ["equal", [LENGTH, LENGTH]],
    ["a comma list", [`${LENGTH}, ${Buffer.byteLength(CHAT_BODY)}`]],
    ["negative", ["Content-Length: -1"]],
    ["with a sign", ["Content-Length: +5"]],
    ["hexadecimal", ["Content-Length: 0x10"]],
  ])("F2: two Content-Length, %s: 400 and close", async (_, lines) => {
    await expectRefused(rawText(CHAT, [HOST, JSON_TYPE, ...lines], CHAT_BODY), 400);
  });

  it.each([
    ["xchunked", ["Transfer-Encoding: xchunked"]],
    ["chunked, identity", ["Transfer-Encoding: chunked, identity"]],
    ["identity", ["Transfer-Encoding: identity"]],
    ["gzip, chunked", ["Transfer-Encoding: gzip, chunked"]],
    ["empty", ["Transfer-Encoding: "]],
    ["chunked and a vertical tab", ["Transfer-Encoding: chunked\x0b"]],
    ["folded", ["Transfer-Encoding:", " chunked"]],
    ["given twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"]],
    ["given twice, differently", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]],
  ])("F4: Transfer-Encoding %s: 400 or 501 and close", async (_, lines) => {
    await expectRefused(rawText(CHAT, [HOST, JSON_TYPE, ...lines], CHUNKED_BODY), 400, 501);
  });

  it("F4: Transfer-Encoding CHUNKED is chunked", async () => {
    const reply = await once(rawText(CHAT, [HOST, JSON_TYPE, "Transfer-Encoding: CHUNKED"], CHUNKED_BODY));
    expect(reply.status).toBe(200);
    expect(String(pair.backend.requests[0]!.body)).toBe(CHAT_BODY);
  });

  it("F5: HTTP/1.0 with Transfer-Encoding is refused, or gets one reply and a close", async () => {
    const request = rawText(
      "POST /v1/chat/completions HTTP/1.0",
      [HOST, JSON_TYPE, "Transfer-Encoding: chunked", "Connection: keep-alive"],
      CHUNKED_BODY + chatText(),
    );
    const { status, rest } = await toClose(request);
    expect([200, 400]).toContain(status);
    expect(rest).toBe("");
    expect(pair.backend.requests.length).toBeLessThanOrEqual(1);
  });

  it.each(["5 \r\nhello", "0x5\r\nhello", "-5\r\nhello", "5\nhello", "ffffffffffffffffff\r\nhello"])(
    "F4: a chunk that begins %j is 400 and close",
    async (start) => {
      await expectRefused(rawText(CHAT, [HOST, JSON_TYPE, "Transfer-Encoding: chunked"], start), 400);
    },
  );
});

describe("header lines", () => {
  it.each([
    ["space before the colon", "X-A : 1"],
    ["an empty name", ": 1"],
    ["a name that is no token", "X(A): 1"],
    ["a folded line", "X-A: 1\r\n 2"],
    ["a bare CR", "X-A: 1\r2"],
    ["NUL in a value", "X-A: 1\x002"],
    ["a name that is not ASCII", "X-Ä: 1"],
    ["no colon", "X-A"],
  ])("F7: %s: 400", async (_, line) => {
    await expectRefused(rawText(CHAT, [HOST, JSON_TYPE, line, LENGTH], CHAT_BODY), 400);
  });

  it.each([
    ["none", []],
    ["two, equal", [HOST, HOST]],
    ["two, different", [HOST, "Host: other.test"]],
    ["with a path", ["Host: gateway.test/v1"]],
    ["with user info", ["Host: user@gateway.test"]],
    ["a comma list", ["Host: a.test, b.test"]],
    ["empty", ["Host: "]],
  ])("F8: Host %s: 400", async (_, lines) => {
    await expectRefused(rawText(CHAT, [...lines, JSON_TYPE, LENGTH], CHAT_BODY), 400);
  });

  it.each([[], ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"]])(
    "F8: a missing Host is told in the shape of every error, with %j",
    async (...lines) => {
      for (const line of ["GET /v1/models HTTP/1.1", "GET /livez HTTP/1.1", CHAT]) {
        const body = line === CHAT ? CHAT_BODY : "";
        const reply = await toClose(rawText(line, [...lines, JSON_TYPE, ...(body ? [LENGTH] : [])], body));
        expect(reply.status).toBe(400);
        expect(reply.headers["x-request-id"]).toMatch(/^req_/);
        expect(JSON.parse(String(reply.body))).toMatchObject({
          error: { code: "invalid_request", message: "The Host header is missing" },
        });
      }
    },
  );

  it("F8: HTTP/1.0 knows no Host, and is served without", async () => {
    expect((await toClose(rawText("GET /v1/models HTTP/1.0", []))).status).toBe(200);
  });

  it.each(["x/../admin", "x?", "x#@y", "[::1", "x\\y", "x:99999999", "x y"])(
    "F9: Host %j: 400, whatever a URL parser would make of it",
    async (host) => {
      await expectRefused(rawText(CHAT, [`Host: ${host}`, JSON_TYPE, LENGTH], CHAT_BODY), 400);
    },
  );

  it.each(["gateway.test:8080", "[::1]:80", "under_score", "127.0.0.1"])(
    "F9: Host %j is served",
    async (host) => {
      const reply = await once(rawText(CHAT, [`Host: ${host}`, JSON_TYPE, LENGTH], CHAT_BODY));
      expect(reply.status).toBe(200);
    },
  );

  it("F17: trailers are ignored, whatever their names", async () => {
    const trailers = "Authorization: Bearer x\r\nHost: other.test\r\nX-Request-Id: from-trailer\r\n";
    const body = CHUNKED_BODY.replace(/\r\n$/, `${trailers}\r\n`);
    const headers = [
      HOST,
      JSON_TYPE,
      "Transfer-Encoding: chunked",
      "Trailer: authorization",
      "X-Request-Id: mine",
    ];
    const reply = await once(rawText(CHAT, headers, body));
    expect(reply.status).toBe(200);
    expect(reply.headers["x-request-id"]).toBe("mine");
    const [sent] = pair.backend.requests;
    expect(sent!.headers["x-request-id"]).toBe("mine");
    expect(sent!.headers.authorization).toBe("Bearer provider-key");
    expect(sent!.headers["content-length"]).toBe(String(Buffer.byteLength(CHAT_BODY)));
    expect(sent!.headers.trailer).toBeUndefined();
  });

  it("F17: a trailer that names a length is refused, or without effect", async () => {
    const body = CHUNKED_BODY.replace(/\r\n$/, "Content-Length: 3\r\n\r\n");
    const reply = await once(rawText(CHAT, [HOST, JSON_TYPE, "Transfer-Encoding: chunked"], body));
    expect([200, 400]).toContain(reply.status);
  });
});

describe("request targets and methods", () => {
  it("F10: absolute form is routed by its path, its host ignored", async () => {
    const target = "http://elsewhere.test/v1/chat/completions";
    const reply = await once(rawText(`POST ${target} HTTP/1.1`, [HOST, JSON_TYPE, LENGTH], CHAT_BODY));
    expect(reply.status).toBe(200);
    expect(pair.backend.requestsTo("/v1/chat/completions")).toHaveLength(1);
  });

  it.each(["file:///etc/passwd", "ftp://x/v1/models", "http:///v1/models", "v1/models", "*"])(
    "F10: target %s: 400",
    async (target) => {
      await expectRefused(rawText(`GET ${target} HTTP/1.1`, [HOST]), 400);
    },
  );

  it("F10: OPTIONS * is 204", async () => {
    expect((await once(rawText("OPTIONS * HTTP/1.1", [HOST]))).status).toBe(204);
  });

  it.each(["TRACE", "DELETE", "PUT", "PATCH", "OPTIONS", "GET", "HEAD", "PURGE"])(
    "F16: %s on a POST route: 405 with Allow",
    async (method) => {
      const client = await connectRaw(pair.gateway.url);
      await client.send(rawText(`${method} /v1/chat/completions HTTP/1.1`, [HOST, "Connection: close"]));
      const reply = String(await client.readToEnd());
      expect(reply).toMatch(/^HTTP\/1\.1 405 /);
      expect(reply).toMatch(/\r\nallow: POST\r\n/i);
      expect(reply).toMatch(/\r\nx-request-id: /i);
      expect(pair.backend.requests).toHaveLength(0);
      client.destroy();
    },
  );

  it("F16: POST on a GET route: 405 that allows GET and HEAD", async () => {
    const reply = await once(rawText("POST /v1/models HTTP/1.1", [HOST, "Content-Length: 0"]));
    expect(reply.status).toBe(405);
    expect(reply.headers["allow"]).toBe("GET, HEAD");
  });

  it("F16: CONNECT, unknown methods and a method of 8 KiB: 405 or 501 and close", async () => {
    await expectRefused(rawText("CONNECT elsewhere.test:443 HTTP/1.1", [HOST]), 405, 501);
    await expectRefused(rawText("FROBNICATE /v1/models HTTP/1.1", [HOST]), 405, 501);
    await expectRefused(rawText(`${"A".repeat(8 * 1024)} /v1/models HTTP/1.1`, [HOST]), 405, 501);
  });

  it("F16: what is not HTTP at all: 400 and close", async () => {
    await expectRefused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    await expectRefused("SSH-2.0-OpenSSH_9.2\r\n\r\n", 400);
  });

  it("F16: method overrides have no effect", async () => {
    const reply = await once(
      requestText("GET", "/v1/models?_method=DELETE", { headers: { "X-HTTP-Method-Override": "DELETE" } }),
    );
    expect(reply.status).toBe(200);
    const posted = await once(chatText({ "X-HTTP-Method-Override": "GET", "X-Method-Override": "DELETE" }));
    expect(posted.status).toBe(200);
  });

  it("answers HEAD with the headers that GET has, and no body", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(
      requestText("HEAD", "/v1/models") +
        requestText("GET", "/v1/models", { headers: { Connection: "close" } }),
    );
    const head = String(await client.readUntil("\r\n\r\n"));
    const get = await readReply(client);
    expect(get.status).toBe(200);
    expect(/content-length: (\d+)/.exec(head)?.[1]).toBe(get.headers["content-length"]);
    client.destroy();
  });
});

describe("Expect (F12)", () => {
  const expecting = (headers: Record<string, string> = {}): string =>
    rawText(CHAT, [
      HOST,
      JSON_TYPE,
      LENGTH,
      "Expect: 100-continue",
      ...Object.entries(headers).map((h) => h.join(": ")),
    ]);

  it("100, then 200; and Expect never goes upstream", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(expecting());
    expect(String(await client.readUntil("\r\n\r\n"))).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    await client.send(CHAT_BODY);
    expect((await readReply(client)).status).toBe(200);
    expect(pair.backend.requests[0]!.headers.expect).toBeUndefined();
    client.destroy();
  });

  it("a body sent at once is served", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(expecting() + CHAT_BODY);
    expect(String(await client.readUntil("\r\n\r\n"))).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    expect((await readReply(client)).status).toBe(200);
    client.destroy();
  });

  it("a refusal that needs no body comes without 100, and closes", async () => {
    const headers = [HOST, "Content-Type: text/plain", LENGTH, "Expect: 100-continue"];
    const reply = await toClose(rawText(CHAT, headers));
    expect(reply.status).toBe(415);
    expect(reply.rest).toBe("");
    const lost = await toClose(
      rawText("POST /v1/models HTTP/1.1", [HOST, "Content-Length: 5", "Expect: 100-continue"]),
    );
    expect(lost.status).toBe(405);
  });

  it("an unknown expectation is 417 in the error shape", async () => {
    const reply = await toClose(rawText(CHAT, [HOST, JSON_TYPE, LENGTH, "Expect: 200-ok"]));
    expect(reply.status).toBe(417);
    expect(errorOf(reply).type).toBe("invalid_request_error");
    expect(reply.headers["x-request-id"]).toBeTruthy();
  });
});

describe("upgrades", () => {
  it.each([
    [
      "websocket",
      { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" },
    ],
    [
      "h2c",
      { Upgrade: "h2c", Connection: "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA" },
    ],
  ])(
    "F15: %s on an ordinary route is served without 101, and the bytes behind go nowhere",
    async (_, headers) => {
      const reply = await toClose(chatText(headers) + chatText());
      expect(reply.status).toBe(200);
      expect(reply.rest).toBe("");
      expect(pair.backend.requests).toHaveLength(1);
      expect(pair.backend.requests[0]!.headers.upgrade).toBeUndefined();
    },
  );
});

describe("an upgrade with a body", () => {
  const head = [
    HOST,
    JSON_TYPE,
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABk",
  ];

  it.each([
    ["whose length is told", rawText(CHAT, [...head, LENGTH]), CHAT_BODY],
    ["in chunks", rawText(CHAT, [...head, "Transfer-Encoding: chunked"]), CHUNKED_BODY],
  ])("F15: %s is served, as clients send it that would like HTTP/2", async (_, text, body) => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(text);
    await client.send(body.slice(0, 7));
    await client.send(body.slice(7));
    expect((await readReply(client)).status).toBe(200);
    expect(pair.backend.requests).toHaveLength(1);
    expect(pair.backend.requests[0]!.json).toMatchObject({ model: MODEL });
    client.destroy();
  });

  it("F15: is refused where Expect asks for what cannot be", async () => {
    const reply = await toClose(rawText(CHAT, [...head, LENGTH, "Expect: something"], CHAT_BODY));
    expect(reply.status).toBe(417);
  });
});

describe("loops (F19)", () => {
  it("adds Via upstream, behind those that were there", async () => {
    await once(chatText());
    await once(chatText({ Via: "1.1 somebody" }));
    const [first, second] = pair.backend.requests.map(({ headers }) => headers.via);
    expect(first).toMatch(/^1\.1 gatewright-[\da-f]+$/);
    expect(second).toBe(`1.1 somebody, ${first}`);
  });

  it("refuses with 508 what came through itself", async () => {
    await once(chatText());
    const via = pair.backend.requests[0]!.headers.via!;
    pair.backend.clear();
    const reply = await once(chatText({ Via: `1.1 other, ${via}` }));
    expect(reply.status).toBe(508);
    expect(errorOf(reply).code).toBe("loop_detected");
    expect(pair.backend.requests).toHaveLength(0);
  });
});

describe("pipelining", () => {
  it("F23: 100 pipelined requests are answered in order, slow ones among them, none swapped", async () => {
    let seed = 7;
    const random = (): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
    const delays = Array.from({ length: 100 }, () => (random() < 0.3 ? Math.ceil(random() * 60) : 0));
    pair.backend.faults = (request) => {
      const n = Number((request.headers["x-request-id"] as string).slice(1));
      return delays[n] ? { kind: "delay", ms: delays[n] } : undefined;
    };
    const client = await connectRaw(pair.gateway.url);
    const bodyOf = (n: number): string =>
      JSON.stringify({
        model: MODEL,
        messages: [{ role: "user", content: `number ${n}` }],
        stream: n % 5 === 0,
      });
    await client.send(delays.map((_delay, n) => chatText({ "X-Request-Id": `n${n}` }, bodyOf(n))).join(""));
    for (let n = 0; n < delays.length; n++) {
      const reply = await readReply(client);
      expect(reply.status).toBe(200);
      expect(reply.headers["x-request-id"]).toBe(`n${n}`);
      expect(reply.headers["content-type"]).toMatch(n % 5 === 0 ? "text/event-stream" : "application/json");
    }
    pair.backend.faults = [];
    client.destroy();
  });

  it("F23: garbage behind a request never stands in for its reply", async () => {
    const client = await connectRaw(pair.gateway.url);
    pair.backend.faults = [{ kind: "delay", ms: 50 }];
    await client.send(`${chatText()}\x00\x01garbage\r\n\r\n`);
    const text = String(await client.readToEnd());
    pair.backend.faults = [];
    expect(text === "" || text.startsWith("HTTP/1.1 200 ")).toBe(true);
    client.destroy();
  });
});

describe("a backend that breaks the rules of framing (F21)", () => {
  const OK = '{"id":"1","object":"chat.completion","model":"gpt-4o-mini","choices":[{}]}';
  const json = { "Content-Type": "application/json" };
  const good = (text: string): string =>
    replyHead(200, { ...json, "Content-Length": String(text.length) }) + text;

  const before: [string, string | Buffer][] = [
    [
      "two Content-Length",
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ncontent-length: ${OK.length}\r\n\r\n${OK}`,
    ],
    [
      "a negative Content-Length",
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: -5\r\n\r\n${OK}`,
    ],
    [
      "a bare CR in a header",
      `HTTP/1.1 200 OK\r\nx-a: 1\r2\r\ncontent-type: application/json\r\ncontent-length: ${OK.length}\r\n\r\n${OK}`,
    ],
    [
      "a bare LF in a header",
      `HTTP/1.1 200 OK\r\nx-a: 1\n2\r\ncontent-type: application/json\r\ncontent-length: ${OK.length}\r\n\r\n${OK}`,
    ],
    ["status 000", `HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n`],
    [
      "status 999",
      `HTTP/1.1 999 Much\r\ncontent-type: application/json\r\ncontent-length: ${OK.length}\r\n\r\n${OK}`,
    ],
    ["a body shorter than its length", replyHead(200, { ...json, "Content-Length": "500" }) + OK],
  ];
  it.each(before)("%s: 502, and the next client gets its own reply", async (_, bytes) => {
    const upstream = await startScriptedUpstream(async (connection) => {
      for (;;) {
        const request = await connection.readRequest();
        if (String(request.body).includes("bad")) {
          await connection.send(bytes);
          connection.halfClose();
        } else await connection.send(good(OK));
      }
    });
    const gateway = await startTestGateway(configFor(upstream.url));
    const bad = await sendOnce(gateway.url, chatText({}, CHAT_BODY.replace("Hi", "bad")));
    expect(bad.status).toBe(502);
    expect(errorOf(bad).code).toBe("provider_error");
    const next = await sendOnce(gateway.url, chatText());
    expect(next.status).toBe(200);
    expect(JSON.parse(String(next.body))).toEqual(JSON.parse(OK));
    await gateway.close();
    await upstream.close();
  });

  it.each([
    ["a body longer than its length", good(OK) + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno"],
    [
      "Content-Length and chunked",
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n${String(chunk(OK))}${LAST_CHUNK}`,
    ],
    ["twenty 1xx", `${"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(20)}${good(OK)}`],
  ])("%s: 502 or the whole reply, and the next client gets its own", async (_, bytes) => {
    const upstream = await startScriptedUpstream(async (connection) => {
      for (;;) {
        const request = await connection.readRequest();
        await connection.send(String(request.body).includes("bad") ? bytes : good(OK.replace('"1"', '"2"')));
      }
    });
    const gateway = await startTestGateway(configFor(upstream.url));
    const bad = await sendOnce(gateway.url, chatText({}, CHAT_BODY.replace("Hi", "bad")));
    expect([200, 502]).toContain(bad.status);
    if (bad.status === 200) expect(JSON.parse(String(bad.body))).toEqual(JSON.parse(OK));
    expect(bad.headers["content-length"]).toBe(String(bad.body.length));
    for (let n = 0; n < 3; n++) {
      const next = await sendOnce(gateway.url, chatText());
      expect(next.status).toBe(200);
      expect(JSON.parse(String(next.body))).toMatchObject({ id: "2" });
    }
    await gateway.close();
    await upstream.close();
  });
});

describe("fuzz", () => {
  it("F24: mutations of valid requests crash nothing and get no 5xx that is not mapped", async () => {
    const random = createRandom(24);
    const valid = [
      chatText(),
      chatText({ "Transfer-Encoding": "chunked" }, CHUNKED_BODY),
      requestText("GET", "/v1/models"),
      requestText("HEAD", "/v1/models/gpt-4o-mini"),
      requestText("OPTIONS", "/v1/embeddings"),
      chatText({ Expect: "100-continue" }),
      chatText(
        {},
        JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "x" }], stream: true }),
      ),
    ];
    const deadline = performance.now() + 4_000;
    let rounds = 0;
    while (performance.now() < deadline && rounds < 1_500) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const bytes = mutate(Buffer.from(valid[Math.floor(random() * valid.length)]!), random);
          const client = await connectRaw(pair.gateway.url);
          await client.send(bytes).catch(() => {});
          client.halfClose();
          const text = String(await client.readToEnd());
          for (const [status] of text.matchAll(/HTTP\/1\.1 5\d\d/g)) expect(status).toMatch(/501/);
          client.destroy();
        }),
      );
      rounds += 10;
    }
    expect(rounds).toBeGreaterThan(100);
    expect(pair.gateway.lines.filter((line) => line.includes("internal"))).toEqual([]);
    expect((await post(pair, "/v1/chat/completions", CHAT_BODY)).status).toBe(200);
  });
});

function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A few bytes changed, doubled, moved or taken out. */
function mutate(bytes: Buffer, random: () => number): Buffer {
  const pick = (bound: number): number => Math.floor(random() * bound);
  let out = bytes;
  for (let times = 1 + pick(3); times > 0; times--) {
    const at = pick(out.length);
    const to = Math.min(out.length, at + 1 + pick(12));
    const [head, middle, tail] = [out.subarray(0, at), out.subarray(at, to), out.subarray(to)];
    const SPECIAL = [0, 9, 10, 13, 32, 58, 44, 34, 123, 255];
    switch (pick(5)) {
      case 0:
        out = Buffer.concat([head, tail]);
        break;
      case 1:
        out = Buffer.concat([head, middle, middle, tail]);
        break;
      case 2:
        out = Buffer.concat([head, Buffer.from([SPECIAL[pick(SPECIAL.length)]!]), middle, tail]);
        break;
      case 3:
        out = Buffer.concat([head, Buffer.from([pick(256)]), out.subarray(at + 1)]);
        break;
      default:
        out = Buffer.concat([head, tail, middle]);
    }
    if (out.length === 0) return bytes;
  }
  return out;
}
