import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { apiKeys } from "@gatewright/api-keys";
import { rateLimit } from "@gatewright/rate-limit";
import { defineGatewayPlugin, GatewayError } from "gatewright";
import * as v from "valibot";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply, requestText, type RawClient } from "../_support/raw-client.ts";
import { replyHead, startScriptedUpstream } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import { CHAT_BODY, chatText, configFor, rawText, sendWhile, startPair, type Pair } from "./_downstream.ts";

const run = promisify(execFile);

const MIB = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 0x20);
const KEY = "gatewright-test-key-0123456789";
const AUTHORIZED = { authorization: `Bearer ${KEY}` };
const CHAT = "/v1/chat/completions";

/** Refuses late: the body has begun to come by then. */
const refuser = defineGatewayPlugin({
  name: "refuser",
  options: v.strictObject({}),
  headersOnly: true,
  setup: () => ({
    middleware: async (ctx, next) => {
      if (ctx.request.headers["x-refuse"] === undefined) return next();
      await ctx.sleep(20);
      throw new GatewayError("model_not_allowed");
    },
  }),
});

/** Refusals by whatever can refuse before the body was read, and by what gives up reading it. */
const REFUSALS = [
  { status: 401, path: CHAT, headers: {} },
  { status: 403, path: CHAT, headers: { ...AUTHORIZED, "x-refuse": "1" } },
  { status: 404, path: "/v1/nothing", headers: AUTHORIZED },
  { status: 405, path: "/v1/models", headers: AUTHORIZED },
  { status: 413, path: CHAT, headers: AUTHORIZED },
  { status: 415, path: CHAT, headers: { ...AUTHORIZED, "content-encoding": "gzip" } },
  { status: 429, path: CHAT, headers: AUTHORIZED },
];

/** Takes its time over a failure, as a plugin does that looks for somebody else to answer. */
const ponderer = defineGatewayPlugin({
  name: "ponderer",
  options: v.strictObject({}),
  setup: () => ({
    middleware: async (ctx, next) => {
      try {
        return await next();
      } catch (error) {
        await ctx.sleep(300);
        throw error;
      }
    },
  }),
});

let pair: Pair;
/** Has let in its one request. */
let limited: Pair;
beforeAll(async () => {
  pair = await startPair({ plugins: [apiKeys({ keys: [{ id: "app", key: KEY }] }), refuser()] });
  limited = await startPair({
    plugins: [rateLimit({ scope: "global", capacity: 1, rate: 1, per: "day" })],
  });
  const first = await fetch(limited.gateway.url + CHAT, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: CHAT_BODY,
  });
  expect(first.status).toBe(200);
  await first.arrayBuffer();
});
afterAll(async () => {
  await pair[Symbol.asyncDispose]();
  await limited[Symbol.asyncDispose]();
});
beforeEach(() => {
  pair.backend.clear();
  limited.backend.clear();
});

const pairFor = (status: number): Pair => (status === 429 ? limited : pair);

interface Upload {
  status: number;
  path: string;
  headers: Record<string, string>;
  bytes: number;
  chunked: boolean;
}

const head = ({ path, headers, bytes, chunked }: Omit<Upload, "status">): string =>
  requestText("POST", path, {
    headers: {
      "Content-Type": "application/json",
      ...headers,
      ...(chunked ? { "Transfer-Encoding": "chunked" } : { "Content-Length": String(bytes) }),
    },
  });

/** Writes all of it, whatever comes back, before it reads a byte. @throws when the connection breaks. */
async function writeAll(client: RawClient, { bytes, chunked }: Upload): Promise<void> {
  for (let sent = 0; sent < bytes; sent += PIECE.length) {
    const piece = PIECE.subarray(0, Math.min(PIECE.length, bytes - sent));
    if (chunked) await client.send(`${piece.length.toString(16)}\r\n`);
    await client.send(piece);
    if (chunked) await client.send("\r\n");
  }
  if (chunked) await client.send("0\r\n\r\n");
}

/** What any refusal has. */
function expectRefusal(
  { status, id, body }: { status: number; id: string | null | undefined; body: string },
  expected: number,
): void {
  expect(status).toBe(expected);
  expect(id).toMatch(/\S/);
  const { error } = JSON.parse(body) as { error: { code: string } };
  expect(error.code).toMatch(/^[a-z_]+$/);
}

describe("a refusal while the client uploads", () => {
  it.each(
    REFUSALS.flatMap((each) => [
      { ...each, bytes: 21 * MIB, chunked: false },
      { ...each, bytes: 21 * MIB, chunked: true },
    ]),
  )("reaches a client that reads when it has sent all: $status, chunked $chunked", async (upload) => {
    for (let n = 0; n < 4; n++) {
      const client = await connectRaw(pairFor(upload.status).gateway.url);
      await client.send(head(upload));
      await writeAll(client, upload);
      const reply = await readReply(client);
      expectRefusal({ ...reply, id: reply.headers["x-request-id"], body: String(reply.body) }, upload.status);
      expect(reply.headers["connection"]).toBe("close");
      expect(String(await client.readToEnd())).toBe("");
      client.halfClose();
      expect(await client.closed).toBeUndefined();
    }
    expect(pairFor(upload.status).backend.requests).toHaveLength(0);
  });

  it.each([
    { bytes: 21 * MIB, chunked: false, times: 20 },
    { bytes: 21 * MIB, chunked: true, times: 20 },
    { bytes: 100 * MIB, chunked: false, times: 2 },
    { bytes: 100 * MIB, chunked: true, times: 2 },
  ])(
    "in-15: the 413 comes whole every time: $bytes bytes, chunked $chunked",
    async ({ times, ...sent }) => {
      const upload = { ...sent, status: 413, path: CHAT, headers: AUTHORIZED };
      for (let n = 0; n < times; n++) {
        const client = await connectRaw(pair.gateway.url);
        await client.send(head(upload));
        await writeAll(client, upload);
        const reply = await readReply(client);
        expectRefusal({ ...reply, id: reply.headers["x-request-id"], body: String(reply.body) }, 413);
        client.destroy();
      }
    },
    120_000,
  );

  const uploads = REFUSALS.filter(({ status }) => [401, 404, 413, 429].includes(status));

  it.each(uploads)("reaches fetch: $status", async ({ status, path, headers }) => {
    const reply = await fetch(pairFor(status).gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: Buffer.alloc(50 * MIB, 0x20),
    });
    expectRefusal(
      { status: reply.status, id: reply.headers.get("x-request-id"), body: await reply.text() },
      status,
    );
  });

  it.each(uploads)("reaches fetch with a stream: $status", async ({ status, path, headers }) => {
    const reply = await fetch(pairFor(status).gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: Readable.toWeb(Readable.from(pieces(50 * MIB))) as ReadableStream,
      duplex: "half",
    });
    expectRefusal(
      { status: reply.status, id: reply.headers.get("x-request-id"), body: await reply.text() },
      status,
    );
  });

  it.each(
    uploads.flatMap((each) => [
      { ...each, length: true },
      { ...each, length: false },
    ]),
  )("reaches node:http: $status, with a length $length", async ({ status, path, headers, length }) => {
    const asked = httpRequest(pairFor(status).gateway.url + path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...headers,
        ...(length && { "content-length": String(50 * MIB) }),
      },
    });
    const answered = once(asked, "response") as Promise<[IncomingMessage]>;
    asked.on("error", () => {});
    Readable.from(pieces(50 * MIB)).pipe(asked);
    const [reply] = await answered;
    const id = reply.headers["x-request-id"] as string;
    expectRefusal({ status: reply.statusCode!, id, body: await textOf(reply) }, status);
  });

  it.each(
    uploads.flatMap((each) => [
      { ...each, flags: [] },
      { ...each, flags: ["-H", "Transfer-Encoding: chunked"] },
    ]),
  )("reaches curl: $status, flags $flags", async ({ status, path, headers, flags }) => {
    const dir = await mkdtemp(join(tmpdir(), "gatewright-early-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    const file = join(dir, "upload");
    await writeFile(file, "");
    await truncate(file, 50 * MIB);
    // Without an expectation, so that it sends at once.
    const sent = { ...headers, "content-type": "application/json", expect: "" };
    const lines = Object.entries(sent).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const wanted = ["-q", "-sS", "-w", "\n%{http_code} %header{x-request-id}", "--data-binary", `@${file}`];
    const { stdout } = await run("curl", [...wanted, ...lines, ...flags, pairFor(status).gateway.url + path]);
    const [body = "", trailer = ""] = stdout.split("\n");
    const [code, id] = trailer.split(" ");
    expectRefusal({ status: Number(code), id, body }, status);
  });

  it("keeps the connection when little is still to come", async () => {
    const client = await connectRaw(pair.gateway.url);
    const body = " ".repeat(60_000);
    for (let n = 0; n < 3; n++) {
      await client.send(chatText({ "Content-Length": "60000" }, body.slice(0, 100)));
      expect((await readReply(client)).status).toBe(401);
      await client.send(body.slice(100));
    }
    await client.send(chatText(AUTHORIZED));
    expect((await readReply(client)).status).toBe(200);
    client.destroy();
  });

  it("reaches a client that wants no second answer on its connection", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(chatText({ Connection: "close", "Content-Length": "60000" }, " "));
    for (let n = 1; n < 60_000; n++) await client.send(" ");
    expect((await readReply(client)).status).toBe(401);
    client.destroy();
  });

  it("is the last answer: what stands behind the request is not looked at", async () => {
    const client = await connectRaw(pair.gateway.url);
    const refused = chatText({ "Transfer-Encoding": "chunked" }, "1\r\n{\r\n0\r\n\r\n");
    await client.send(
      rawText(
        "POST /v1/chat/completions HTTP/1.1",
        ["Host: a", "Content-Encoding: gzip", "Transfer-Encoding: chunked"],
        "1\r\n{\r\n0\r\n\r\n",
      ) +
        chatText(AUTHORIZED) +
        refused,
    );
    expect((await readReply(client)).status).toBe(415);
    expect(String(await client.readToEnd())).toBe("");
    expect(pair.backend.requests).toHaveLength(0);
    client.destroy();
  });

  it("reaches a client whose upload the backend gave up, also when a plugin takes its time", async () => {
    const upstream = await startScriptedUpstream(async (connection) => {
      await connection.readUntil("\r\n\r\n");
      await connection.readBytes(1000);
      await connection.send(replyHead(400, { "content-length": "2" }) + "{}");
      connection.halfClose();
    });
    onTestFinished(() => upstream.close());
    await using gateway = await startTestGateway({ ...configFor(upstream.url), plugins: [ponderer()] });
    const client = await connectRaw(gateway.url);
    const type = "multipart/form-data; boundary=edge";
    await client.send(
      rawText("POST /v1/audio/transcriptions HTTP/1.1", [
        "Host: a",
        `Content-Type: ${type}`,
        `Content-Length: ${50 * MIB}`,
      ]),
    );
    const disposition = "Content-Disposition: form-data; name";
    await client.send(`--edge\r\n${disposition}="model"\r\n\r\nwhisper-1\r\n`);
    await client.send(`--edge\r\n${disposition}="file"; filename="a.wav"\r\n\r\n`);
    for (const piece of pieces(49 * MIB)) await client.send(piece);
    const reply = await readReply(client);
    expectRefusal({ ...reply, id: reply.headers["x-request-id"], body: String(reply.body) }, 400);
    client.destroy();
  });

  it("L4: reaches a client whose chunks cannot be read", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(
      rawText(`POST ${CHAT} HTTP/1.1`, ["Host: a", "Transfer-Encoding: chunked"], "nonsense\r\n"),
    );
    await writeAll(client, { status: 400, path: CHAT, headers: {}, bytes: 21 * MIB, chunked: false });
    const reply = await readReply(client);
    expect([400, 401]).toContain(reply.status);
    client.destroy();
  });
});

describe("a client that is waited for", () => {
  const refused = { status: 413, path: CHAT, headers: AUTHORIZED, bytes: 21 * MIB, chunked: true };

  it("is cut off when it never stops sending", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send(head(refused));
    let sent = 0;
    let broken = false;
    while (!broken) {
      await client.send("10000\r\n").catch(() => (broken = true));
      for (let n = 0; n < 16 && !broken; n++)
        await client.send(PIECE.subarray(0, 4096)).catch(() => (broken = true));
      await client.send("\r\n").catch(() => (broken = true));
      sent += 0x10000;
      expect(sent).toBeLessThan(2048 * MIB);
    }
    client.destroy();
  }, 60_000);

  it("is cut off when it neither sends nor closes", async () => {
    stopTime();
    const client = await connectRaw(pair.gateway.url);
    await client.send(chatText({ "Content-Length": String(21 * MIB) }, "{"));
    expect((await readReply(client)).status).toBe(401);
    expect(String(await client.readToEnd())).toBe("");
    vi.advanceTimersByTime(5_000);
    await waitFor("nobody reads any more", () =>
      client.send(" ").then(
        () => false,
        () => true,
      ),
    );
    client.destroy();
  });

  it("gives its place to others where connections are scarce", async () => {
    stopTime();
    await using scarce = await startPair({ server: { limits: { maxConnections: 2 } } });
    const clients = await Promise.all([connectRaw(scarce.gateway.url), connectRaw(scarce.gateway.url)]);
    for (const client of clients) {
      await client.send(chatText({ "Content-Length": String(21 * MIB) }, "{"));
      expect((await readReply(client)).status).toBe(413);
    }
    await waitFor("a place is free", async () => {
      const next = await connectRaw(scarce.gateway.url);
      await sendWhile(next, chatText());
      const status = await readReply(next).then(
        (reply) => reply.status,
        () => undefined,
      );
      next.destroy();
      return status === 200;
    });
    for (const client of clients) client.destroy();
  });

  it("is cut off when it trickles even the little for which its connection was kept", async () => {
    stopTime();
    const client = await connectRaw(pair.gateway.url);
    await client.send(chatText({ "Content-Length": "60000" }, "{"));
    const reply = await readReply(client);
    expect(reply.status).toBe(401);
    expect(reply.headers["connection"]).toBe("keep-alive");
    await waitFor("the request is over", () => pair.gateway.server.gateway.active === 0);
    await client.send(" ");
    vi.advanceTimersByTime(29_999);
    await client.send(" ");
    expect(client.ended).toBe(false);
    vi.advanceTimersByTime(1);
    expect(String(await client.readToEnd())).toBe("");
    client.destroy();
  });

  it("is not waited for by a gateway that stops", async () => {
    const own = await startPair();
    const clients = await Promise.all(Array.from({ length: 3 }, () => connectRaw(own.gateway.url)));
    for (const client of clients) {
      await client.send(chatText({ "Content-Length": String(21 * MIB) }, "{"));
      expect((await readReply(client)).status).toBe(413);
    }
    expect(own.gateway.server.gateway.active).toBe(0);
    expect(await own.gateway.server.stop(600_000)).toBe(true);
    for (const client of clients) client.destroy();
    await own.backend.close();
  });
});

describe("connections without a request", () => {
  it("a client that resets its connection after a refused CONNECT ends nothing but that", async () => {
    const client = await connectRaw(pair.gateway.url);
    await client.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    const reply = await readReply(client);
    expect(reply.status).toBe(405);
    expect(reply.body.toString()).toContain("CONNECT is not allowed here, only GET, HEAD, POST");
    client.reset();
    await client.closed;
    expect((await fetch(`${pair.gateway.url}/livez`)).status).toBe(200);
  });
});

/** Whoever waits in the gateway does so until the test moves the time. */
function stopTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
}

function* pieces(bytes: number): Generator<Buffer> {
  for (let sent = 0; sent < bytes; sent += PIECE.length)
    yield PIECE.subarray(0, Math.min(PIECE.length, bytes - sent));
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += String(chunk);
  return text;
}
