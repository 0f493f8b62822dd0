import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { request } from "undici";
import {
  startSimulatedBackend,
  type Fault,
  type SimulatedBackend,
} from "../../playground/src/simulated-backend.ts";
import { connectRaw, requestText } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { parseEvents, parseLines, post, type Json } from "./_calls.ts";

let backend: SimulatedBackend;
let url: string;
const ask = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const stream = { ...ask, stream: true };
beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", tokens: 6 });
  url = `${backend.url}/v1/chat/completions`;
});
beforeEach(() => backend.clear());
afterAll(() => backend.close());

/** Meets one fault; gives all bytes of the body, and whether the message ended cleanly. */
async function meet(fault: Fault, body: Json): Promise<{ status: number; text: string; clean: boolean }> {
  backend.faults = [fault];
  const reply = await request(url, { method: "POST", body: JSON.stringify(body) });
  const chunks: Buffer[] = [];
  let clean = true;
  try {
    for await (const chunk of reply.body) chunks.push(chunk as Buffer);
  } catch {
    clean = false;
  }
  return { status: reply.statusCode, text: Buffer.concat(chunks).toString("latin1"), clean };
}

/**
 * Meets a fault that never ends its reply: once `arrived` holds for what came, gives the backend time to break its
 * silence (other requests are answered meanwhile), then leaves. Returns all that came.
 */
async function meetSilence(fault: Fault, body: Json, arrived: (came: string) => boolean): Promise<string> {
  backend.faults = [fault];
  const client = await connectRaw(url);
  await client.send(requestText("POST", "/v1/chat/completions", { body: JSON.stringify(body) }));
  await waitFor("the backend has fallen silent", () => arrived(String(client.pending)));
  for (let i = 0; i < 3; i++) await (await post(url, ask)).text();
  const came = String(client.pending);
  expect(client.ended).toBe(false);
  client.destroy();
  await backend.requests[0]!.closed;
  expect(backend.requests[0]!.aborted).toBe(true);
  return came;
}

/** Events that came so far. */
const events = (came: string) => came.match(/^data: .*\n\n/gm)?.length ?? 0;

describe("a script", () => {
  it("of a list is used up in order by POST requests alone, and then the backend is healthy", async () => {
    backend.faults = [{ kind: "status", status: 500 }, undefined, { kind: "status", status: 503 }];
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      expect((await fetch(`${backend.url}/v1/models`)).status).toBe(200);
      statuses.push((await post(url, ask)).status);
    }
    expect(statuses).toEqual([500, 200, 503, 200]);
  });

  it("of a function sees the request and counts from when it was set", async () => {
    backend.faults = ({ path }, n) =>
      path === "/v1/models" || n === 2 ? { kind: "status", status: 502 } : undefined;
    expect((await fetch(`${backend.url}/v1/models`)).status).toBe(502);
    expect((await post(url, ask)).status).toBe(200);
    expect((await post(url, ask)).status).toBe(502);
    expect(backend.requests.map(({ fault }) => fault?.kind)).toEqual(["status", undefined, "status"]);
    backend.faults = [];
    expect((await post(url, ask)).status).toBe(200);
  });
});

describe("instead of a reply", () => {
  it("comes another status, with headers and a body in the dialect", async () => {
    backend.faults = [{ kind: "status", status: 429, headers: { "retry-after": "2" } }];
    const reply = await post(url, ask);
    expect(reply.status).toBe(429);
    expect(reply.headers.get("retry-after")).toBe("2");
    expect(await reply.json()).toMatchObject({ error: { type: "requests", code: "rate_limit_exceeded" } });
  });

  it("comes the body that the fault names", async () => {
    expect(await meet({ kind: "status", status: 502, body: "<html>" }, ask)).toMatchObject({
      text: "<html>",
    });
    expect(await meet({ kind: "status", status: 400, body: { detail: 1 } }, ask)).toMatchObject({
      text: '{"detail":1}',
    });
  });

  it("U15: comes a status while the client still uploads", async () => {
    backend.faults = [{ kind: "status", status: 413, early: true }];
    const client = await connectRaw(url);
    await client.send(
      requestText("POST", "/v1/chat/completions", { headers: { "Content-Length": "1000000" } }),
    );
    expect(String(await client.readUntil("\r\n"))).toBe("HTTP/1.1 413 Payload Too Large\r\n");
    client.destroy();
  });

  it.each(["reset", "close"] as const)("comes a %s of the connection", async (kind) => {
    backend.faults = [{ kind }];
    const client = await connectRaw(url);
    await client.send(requestText("POST", "/v1/chat/completions", { body: JSON.stringify(ask) }));
    const error = await waitFor("the connection ends", () => client.ended).then(() => {
      client.destroy();
      return client.closed;
    });
    expect(String(client.pending)).toBe("");
    expect(error).toEqual(kind === "reset" ? expect.objectContaining({ code: "ECONNRESET" }) : undefined);
    expect(backend.requests[0]!.aborted).toBe(false);
  });

  it("comes nothing", async () => {
    expect(await meetSilence({ kind: "no_answer" }, ask, () => backend.requests[0]?.json !== undefined)).toBe(
      "",
    );
  });

  it.each([ask, stream])("come headers and nothing else", async (body) => {
    const came = await meetSilence({ kind: "silence_after_headers" }, body, (came) =>
      came.includes("\r\n\r\n"),
    );
    expect(came).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*\r\n\r\n$/);
  });

  it("comes an error in a body of status 200", async () => {
    const { status, text } = await meet({ kind: "error_body" }, stream);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ error: { type: "server_error" } });
    const other = { status_code: 503, detail: "loading" };
    expect(JSON.parse((await meet({ kind: "error_body", body: other }, ask)).text)).toEqual(other);
  });
});

describe("late", () => {
  it("come the headers", async () => {
    backend.faults = [{ kind: "delay", ms: 30 }];
    await (await post(url, ask)).text();
    const record = backend.requests[0]!;
    await record.closed;
    expect(record.closedAt! - record.receivedAt).toBeGreaterThanOrEqual(29);
  });

  it("comes the first token, after headers and role", async () => {
    const fault: Fault = { kind: "slow_first_token", ms: 600_000 };
    const came = await meetSilence(fault, stream, (came) => events(came) > 0);
    expect(came).toContain('"delta":{"role":"assistant"');
    expect(events(came)).toBe(1);
  });
});

describe("within a stream", () => {
  it.each(["close", "reset"] as const)(
    "a cut by %s comes after so many events, and is no clean end",
    async (how) => {
      const { clean } = await meet({ kind: "cut", afterEvents: 3, how }, stream);
      expect(clean).toBe(false);
      expect(backend.requests[0]!.events).toBe(3);
    },
  );

  it("E8: a cut by end is a clean end of the message without finish or terminator", async () => {
    const { text, clean } = await meet({ kind: "cut", afterEvents: 3, how: "end" }, stream);
    expect(clean).toBe(true);
    const chunks = parseEvents(text).map(({ data }) => JSON.parse(data) as Json);
    expect(chunks).toHaveLength(3);
    expect(chunks.every(({ choices }) => choices[0].finish_reason === null)).toBe(true);
  });

  it("U4: a stall leaves the connection open after so many events", async () => {
    const came = await meetSilence({ kind: "stall", afterEvents: 3 }, stream, (came) => events(came) >= 3);
    expect(events(came)).toBe(3);
  });

  it("garbage comes between events, which stay whole", async () => {
    const healthy = (await meet({ kind: "delay", ms: 0 }, stream)).text;
    const { text } = await meet({ kind: "garbage", afterEvents: 2, bytes: Buffer.from("%%%\n\n") }, stream);
    expect(parseEvents(text)[2]!.data).toBe("%%%");
    expect(parseEvents(text)).toHaveLength(parseEvents(healthy).length + 1);
  });

  it("one event is malformed and the others are not", async () => {
    const events = parseEvents((await meet({ kind: "malformed_event", afterEvents: 2 }, stream)).text);
    const broken = events.slice(0, -1).map(({ data }) => {
      try {
        return typeof JSON.parse(data) !== "object";
      } catch {
        return true;
      }
    });
    expect(broken.flatMap((bad, index) => (bad ? [index] : []))).toEqual([2]);
  });

  it("E8: the terminator alone is missing, or the finish too", async () => {
    const last = async (fault: Fault) => parseEvents((await meet(fault, stream)).text).at(-1)!.data;
    expect(JSON.parse(await last({ kind: "missing_terminator" }))).toMatchObject({
      choices: [{ finish_reason: "stop" }],
    });
    expect(JSON.parse(await last({ kind: "missing_finish" }))).toMatchObject({
      choices: [{ finish_reason: null }],
    });
  });

  it("an error in the dialect's form ends it", async () => {
    const fault: Fault = { kind: "stream_error", afterEvents: 2, message: "Out of memory", code: "oom" };
    const { text, clean } = await meet(fault, stream);
    expect(clean).toBe(true);
    const events = parseEvents(text);
    expect(events).toHaveLength(3);
    expect(JSON.parse(events[2]!.data)).toEqual({
      error: { message: "Out of memory", type: "server_error", param: null, code: "oom" },
    });
  });
});

describe("within a body of JSON", () => {
  it("U6: a cut comes after so many bytes", async () => {
    expect(await meet({ kind: "cut", afterBytes: 10 }, ask)).toMatchObject({
      text: '{"id":"cha',
      clean: false,
    });
    expect(await meet({ kind: "cut", afterBytes: 10, how: "end" }, ask)).toMatchObject({
      text: '{"id":"cha',
      clean: true,
    });
  });

  it("U4: a stall leaves the connection open", async () => {
    const start = '{"id":"cha';
    const came = await meetSilence({ kind: "stall", afterBytes: 10 }, ask, (came) => came.endsWith(start));
    expect(came.split("\r\n\r\n")[1]).toBe(start);
  });
});

describe("around a body", () => {
  it("another Content-Type stands over it", async () => {
    backend.faults = [{ kind: "content_type", value: "text/html" }];
    const reply = await post(url, ask);
    expect(reply.headers.get("content-type")).toBe("text/html");
    expect(await reply.json()).toMatchObject({ object: "chat.completion" });
  });

  it("compression is put, of JSON and of streams", async () => {
    for (const body of [ask, stream]) {
      backend.faults = [{ kind: "gzip" }];
      const reply = await request(url, { method: "POST", body: JSON.stringify(body) });
      expect(reply.headers["content-encoding"]).toBe("gzip");
      const text = String(gunzipSync(Buffer.from(await reply.body.arrayBuffer())));
      expect(text).toContain("chat.completion");
    }
  });

  it("compression of a stream is flushed event by event", async () => {
    Object.assign(backend.settings, { firstTokenMs: 600_000 });
    backend.faults = [{ kind: "gzip" }];
    const leaving = new AbortController();
    const reply = await post(url, stream, { signal: leaving.signal });
    const { value } = await reply.body!.getReader().read();
    expect(String(Buffer.from(value))).toContain('"role":"assistant"');
    leaving.abort();
    await backend.requests[0]!.closed;
    backend.settings.firstTokenMs = 0;
  });
});

describe("in the other formats", () => {
  it("Ollama's lines are cut, and report errors, in their own way", async () => {
    const ollama = await startSimulatedBackend({ dialect: "ollama", tokens: 4 });
    const call = async (fault: Fault) => {
      ollama.faults = [fault];
      return (await post(`${ollama.url}/api/chat`, { ...ask, model: "qwen2.5:7b" })).text();
    };
    expect(parseLines(await call({ kind: "missing_finish" })).some(({ done }) => done)).toBe(false);
    expect(parseLines(await call({ kind: "stream_error", afterEvents: 1, message: "gone" })).at(-1)).toEqual({
      error: "gone",
    });
    expect(JSON.parse(await call({ kind: "status", status: 503 }))).toEqual({ error: expect.any(String) });
    await ollama.close();
  });

  it("Responses report errors as an event of that name", async () => {
    backend.faults = [{ kind: "stream_error", afterEvents: 5, code: "oom" }];
    const reply = await post(`${backend.url}/v1/responses`, {
      model: "gpt-4o-mini",
      input: "Hello",
      stream: true,
    });
    const last = parseEvents(await reply.text()).at(-1)!;
    expect(last.type).toBe("error");
    expect(JSON.parse(last.data)).toMatchObject({ type: "error", code: "oom" });
  });

  it("audio is cut after so many bytes", async () => {
    const audio = await startSimulatedBackend({
      dialect: "openai",
      models: ["tts-1"],
      faults: [{ kind: "cut", afterBytes: 1000 }],
    });
    const reply = await request(`${audio.url}/v1/audio/speech`, {
      method: "POST",
      body: JSON.stringify({ model: "tts-1", input: "Hello", voice: "alloy" }),
    });
    await expect(reply.body.arrayBuffer()).rejects.toThrow();
    await audio.close();
  });
});
