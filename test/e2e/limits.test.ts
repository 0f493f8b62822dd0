import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import {
  CHAT_BODY,
  chatText,
  errorOf,
  MODEL,
  rawText,
  sendOnce,
  sendToClose,
  sendWhile,
  startPair,
  type Pair,
} from "./_downstream.ts";

const HOST = "Host: gateway.test";
const CHAT = "POST /v1/chat/completions HTTP/1.1";

/** A gateway with its own limits, for one test. */
function startLimited(limits: Record<string, number>, config: Record<string, unknown> = {}): Promise<Pair> {
  return startPair({ ...config, server: { limits } });
}

/** A chat body of exactly so many bytes. */
function bodyOf(bytes: number): string {
  const empty = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "" }] });
  return empty.replace('""', `"${"x".repeat(bytes - empty.length)}"`);
}

describe("sizes", () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startLimited({ jsonBytes: 200_000 });
  });
  afterAll(() => pair[Symbol.asyncDispose]());
  beforeEach(() => pair.backend.clear());

  it.each([9, 20])("L1: a URL of %i KiB is 414", async (kib) => {
    const reply = await sendOnce(
      pair.gateway.url,
      requestText("GET", `/v1/models?x=${"y".repeat(kib * 1024)}`),
    );
    expect(reply.status).toBe(414);
    expect(errorOf(reply).code).toBe("uri_too_long");
    expect(reply.headers["x-request-id"]).toBeTruthy();
  });

  it("L1: headers of 17 KiB are 431, in one line or in 2,100", async () => {
    const long = await sendToClose(pair.gateway.url, chatText({ "X-Long": "y".repeat(17 * 1024) }));
    expect(long.status).toBe(431);
    expect(errorOf(long).code).toBe("request_too_large");
    const many = Array.from({ length: 2_100 }, () => "a:1");
    const length = `Content-Length: ${CHAT_BODY.length}`;
    const reply = await sendOnce(pair.gateway.url, rawText(CHAT, [HOST, length, ...many], CHAT_BODY));
    expect(reply.status).toBe(431);
    expect(pair.backend.requests).toHaveLength(0);
  });

  it.each(["gzip", "br", "deflate", "gzip, gzip, gzip, gzip, gzip, gzip"])(
    "L3: a body in %s is 415, unread, whatever it would unpack to",
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(1_000_000, "x"));
      const head = rawText(CHAT, [
        HOST,
        "Content-Type: application/json",
        `Content-Encoding: ${encoding}`,
        `Content-Length: ${bomb.length}`,
      ]);
      const reply = await sendOnce(pair.gateway.url, Buffer.concat([Buffer.from(head), bomb]));
      expect(reply.status).toBe(415);
      expect(pair.backend.requests).toHaveLength(0);
    },
  );

  it("L3: identity is no encoding", async () => {
    expect((await sendOnce(pair.gateway.url, chatText({ "Content-Encoding": "identity" }))).status).toBe(200);
  });

  it("L4: 1 MB of chunk extensions closes the connection", async () => {
    const client = await connectRaw(pair.gateway.url);
    const head = rawText(CHAT, [HOST, "Content-Type: application/json", "Transfer-Encoding: chunked"]);
    await client.send(`${head}1;${"e".repeat(1_000_000)}\r\nx\r\n`);
    expect((await readReply(client)).status).toBe(413);
    expect(String(await client.readToEnd())).toBe("");
    expect(pair.backend.requests).toHaveLength(0);
    client.destroy();
  });

  it("in-15: a JSON body at the limit passes; one byte more is 413 with the limit's name, 0 upstream", async () => {
    expect((await sendOnce(pair.gateway.url, chatText({}, bodyOf(200_000)))).status).toBe(200);
    pair.backend.clear();
    const reply = await sendOnce(pair.gateway.url, chatText({}, bodyOf(200_001)));
    expect(reply.status).toBe(413);
    expect(errorOf(reply)).toMatchObject({ code: "request_too_large", type: "invalid_request_error" });
    expect(String(reply.body)).toContain("200000 bytes");
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("in-15: a chunked body is counted as it comes", async () => {
    const body = bodyOf(200_001);
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const reply = await sendToClose(pair.gateway.url, chatText({ "Transfer-Encoding": "chunked" }, chunked));
    expect(reply.status).toBe(413);
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("in-15: the 413 reaches a client that sends on for megabytes, by length or in chunks", async () => {
    const uploads = [
      chatText({ "Content-Length": "8000000" }, "{"),
      chatText({ "Transfer-Encoding": "chunked" }, "7a1200\r\n{"),
    ];
    for (const start of uploads) {
      const client = await connectRaw(pair.gateway.url);
      await client.send(start);
      for (let sent = 0; sent < 7_000_000; sent += 100_000) {
        await client.send(Buffer.alloc(100_000, 0x20));
        await sleep(0);
      }
      const reply = await readReply(client);
      expect(reply.status).toBe(413);
      expect(reply.headers["connection"]).toBe("close");
      client.destroy();
    }
  });
});

describe("slow clients", () => {
  it("L5: connections that trickle their headers are closed; others are served meanwhile", async () => {
    await using pair = await startLimited({ headersTimeoutMs: 300 });
    const slow = await Promise.all(Array.from({ length: 50 }, () => connectRaw(pair.gateway.url)));
    const trickle = slow.map(async (client) => {
      for (const byte of `${CHAT}\r\n${HOST}\r\nX-Slow: ${"y".repeat(2_000)}`) {
        if (client.ended) break;
        await sendWhile(client, byte);
        await sleep(20);
      }
      return String(await client.readToEnd());
    });
    for (let n = 0; n < 10; n++) expect((await sendOnce(pair.gateway.url, chatText())).status).toBe(200);
    for (const text of await Promise.all(trickle))
      expect(text === "" || text.startsWith("HTTP/1.1 408 ")).toBe(true);
    for (const client of slow) client.destroy();
  });

  it("L7: a connection that says nothing is closed", async () => {
    await using pair = await startLimited({ headersTimeoutMs: 200 });
    const client = await connectRaw(pair.gateway.url);
    const text = String(await client.readToEnd());
    expect(text === "" || text.startsWith("HTTP/1.1 408 ")).toBe(true);
    client.destroy();
  });

  it("an idle connection is kept for keepAliveMs, then closed", async () => {
    await using pair = await startLimited({ keepAliveMs: 150 });
    const client = await connectRaw(pair.gateway.url);
    await client.send(chatText());
    expect((await readReply(client)).status).toBe(200);
    expect(String(await client.readToEnd())).toBe("");
    client.destroy();
  });

  it("a JSON body that does not come in time is 408", async () => {
    await using pair = await startLimited({ bodyTimeoutMs: 150 });
    const reply = await sendToClose(pair.gateway.url, chatText({ "Content-Length": "500" }, CHAT_BODY));
    expect(reply.status).toBe(408);
    expect(errorOf(reply).code).toBe("request_timeout");
    expect(pair.backend.requests).toHaveLength(0);
  });

  it("a client that takes nothing of its reply is cut off, and the backend with it", async () => {
    await using pair = await startPair(
      { server: { limits: { writeTimeoutMs: 300 } } },
      { speechBytes: 64 * 1024 * 1024 },
    );
    const client = await connectRaw(pair.gateway.url);
    client.socket.pause();
    await client.send(
      requestText("POST", "/v1/audio/speech", {
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ model: "tts-1", input: "Hello", voice: "alloy" }),
      }),
    );
    const sent = await waitFor("the backend saw it", () => pair.backend.requests[0]);
    await sent.closed;
    expect(sent.aborted).toBe(true);
    await waitFor("the log", () =>
      pair.gateway.lines.some((line) => line.includes('"outcome":"client_abort"')),
    );
    client.destroy();
  });
});

describe("connections", () => {
  it("L9: more than maxConnections are refused at once; those before are served", async () => {
    await using pair = await startLimited({ maxConnections: 2 });
    const first = await connectRaw(pair.gateway.url);
    const second = await connectRaw(pair.gateway.url);
    await first.send(chatText());
    expect((await readReply(first)).status).toBe(200);
    const third = await connectRaw(pair.gateway.url);
    await sendWhile(third, chatText());
    expect(String(await third.readToEnd())).toBe("");
    await second.send(chatText());
    expect((await readReply(second)).status).toBe(200);
    second.destroy();
    await second.closed;
    await waitFor("a place is free", async () => {
      const again = await connectRaw(pair.gateway.url);
      await sendWhile(again, chatText());
      const status = await readReply(again).then(
        (reply) => reply.status,
        () => undefined,
      );
      again.destroy();
      return status === 200;
    });
    for (const client of [first, third]) client.destroy();
  });

  it("L11: a client that half-closes after its request has left: the upstream call is aborted, every time", async () => {
    await using pair = await startPair({}, { faults: () => ({ kind: "no_answer" }) });
    for (let n = 1; n <= 5; n++) {
      const client = await connectRaw(pair.gateway.url);
      await client.send(chatText());
      const sent = await waitFor("the backend saw it", () => pair.backend.requests[n - 1]);
      client.halfClose();
      expect(String(await client.readToEnd())).toBe("");
      await sent.closed;
      expect(sent.aborted).toBe(true);
      client.destroy();
    }
  });
});
