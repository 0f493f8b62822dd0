import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Agent, request } from "undici";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { post } from "./_calls.ts";

let backend: SimulatedBackend;
let url: string;
const body = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Grüße" }] };
beforeEach(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", name: "one" });
  url = `${backend.url}/v1/chat/completions`;
});
afterEach(() => backend.close());

describe("a record", () => {
  it("holds what was sent: path, query, headers, raw and parsed body, hash", async () => {
    await post(`${url}?a=b?c`, body, { headers: { "X-Custom": "yes" } });
    const [record] = backend.requests;
    const sent = JSON.stringify(body);
    expect(record).toMatchObject({
      n: 1,
      method: "POST",
      path: "/v1/chat/completions",
      query: "a=b?c",
      status: 200,
    });
    expect(record!.headers["x-custom"]).toBe("yes");
    expect(String(record!.body)).toBe(sent);
    expect(record!.json).toEqual(body);
    expect(record!.bodySha256).toBe(createHash("sha256").update(sent).digest("hex"));
  });

  it("tells connections apart and says which requests shared one", async () => {
    const agent = new Agent({ connections: 1 });
    for (let i = 0; i < 2; i++)
      await (await request(`${backend.url}/health`, { dispatcher: agent })).body.dump();
    await agent.close();
    const client = await connectRaw(backend.url);
    await client.send(requestText("GET", "/health"));
    expect((await readReply(client)).status).toBe(200);
    client.destroy();
    const [first, second, third] = backend.requests.map(({ connection }) => connection);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    await waitFor("all connections are closed", () => backend.openConnections === 0);
  });

  it("of a whole reply is closed and not aborted", async () => {
    await (await post(url, body)).text();
    const record = backend.requests[0]!;
    await record.closed;
    expect(record.aborted).toBe(false);
    expect(record.closedAt).toBeGreaterThanOrEqual(record.receivedAt);
  });

  it("is forgotten when there are more than are to be kept", async () => {
    backend.settings.keepRequests = 2;
    for (let i = 0; i < 3; i++) await fetch(`${backend.url}/health`);
    expect(backend.requests.map(({ n }) => n)).toEqual([2, 3]);
    expect(backend.requestsTo("/health")).toHaveLength(2);
    backend.clear();
    expect(backend.requests).toHaveLength(0);
  });
});

describe("E14: a client that leaves", () => {
  it.each([
    ["before the headers", { stream: false }],
    ["awaiting the first token", { stream: true }],
  ])("%s is recorded as aborted", async (_, more) => {
    backend.settings.firstTokenMs = 600_000;
    const leaving = new AbortController();
    const call = post(url, { ...body, ...more }, { signal: leaving.signal }).then((reply) => reply.text());
    await waitFor("the body has come", () => backend.requests[0]?.json);
    leaving.abort();
    await expect(call).rejects.toThrow();
    await backend.requests[0]!.closed;
    expect(backend.requests[0]!.aborted).toBe(true);
  });

  it("in mid-stream stops the stream", async () => {
    Object.assign(backend.settings, { tokens: 100_000, tokenMs: 1 });
    const leaving = new AbortController();
    const reply = await post(url, { ...body, stream: true }, { signal: leaving.signal });
    const reader = reply.body!.getReader();
    await reader.read();
    const record = backend.requests[0]!;
    await waitFor("some tokens were sent", () => record.events > 5);
    leaving.abort();
    await record.closed;
    expect(record.aborted).toBe(true);
    expect(record.events).toBeLessThan(100_000);
  });

  it("in the middle of its own upload is recorded too", async () => {
    const client = await connectRaw(url);
    await client.send(
      requestText("POST", "/v1/chat/completions", { headers: { "Content-Length": "100" } }) + "{",
    );
    await waitFor("the request has come", () => backend.requests[0]);
    client.reset();
    const record = backend.requests[0]!;
    await record.closed;
    expect(record.aborted).toBe(true);
    expect(record.bodySha256).toBeUndefined();
  });
});

describe("settings", () => {
  it("require a key, in the dialect's words", async () => {
    backend.settings.requireKey = "sk-right";
    const call = (key: string) => post(url, body, { headers: { authorization: `Bearer ${key}` } });
    const refused = await call("sk-wrong");
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ error: { code: "invalid_api_key" } });
    expect((await call("sk-right")).status).toBe(200);
  });

  it("set the pace of tokens", async () => {
    Object.assign(backend.settings, { tokens: 3, firstTokenMs: 40, tokenMs: 20, jitter: 0.5 });
    await (await post(url, { ...body, stream: true })).text();
    const record = backend.requests[0]!;
    await record.closed;
    // Half of 40 + 2 · 20 is the least that jitter allows; timers may fire a millisecond early.
    expect(record.closedAt! - record.receivedAt).toBeGreaterThanOrEqual(40 - 3);
  });

  it("name the backend in each reply and give an exact text", async () => {
    backend.settings.text = "Exactly  this.\n";
    const reply = await post(url, body);
    expect(reply.headers.get("x-simulated-backend")).toBe("one");
    expect(await reply.json()).toMatchObject({ choices: [{ message: { content: "Exactly  this.\n" } }] });
  });
});

it("sends each event as a write of its own", async () => {
  backend.settings.tokens = 20;
  const client = await connectRaw(url);
  const payload = JSON.stringify({ ...body, stream: true });
  const headers = { Connection: "close" };
  await client.send(requestText("POST", "/v1/chat/completions", { headers, body: payload }));
  const sent = String(await client.readToEnd());
  client.destroy();
  // Role, tokens, finish and terminator, each alone in an HTTP chunk.
  expect(sent.match(/\r\n[0-9a-f]+\r\ndata: .*\n\n(?=\r\n)/g)).toHaveLength(23);
  expect(backend.requests[0]!.events).toBe(23);
});

it("rejects to start on a port that is taken", async () => {
  const port = Number(new URL(backend.url).port);
  await expect(startSimulatedBackend({ dialect: "ollama", port })).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
});
