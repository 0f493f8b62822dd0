import { retry } from "@gatewright/retry";
import { defineGatewayPlugin } from "gatewright";
import type { BodySink, Reply } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { Fault, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { connectRaw, requestText } from "../_support/raw-client.ts";
import type { RawClient } from "../_support/raw-client.ts";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import { waitFor, waitForStandstill } from "../_support/wait-for.ts";
import {
  chatBody,
  delta,
  EVENT_STREAM,
  MODEL,
  ollamaAt,
  openaiAt,
  scripted,
  simulated,
  stageBefore,
  startStage,
  type Stage,
} from "./_stage.ts";

/** The bound of the design: the upstream call of a client that left is closed within a second. */
const CLOSED_WITHIN_MS = 1_000;

async function send(stage: Stage, path: string, body: unknown): Promise<RawClient> {
  const client = await connectRaw(stage.url);
  await client.send(
    requestText("POST", path, {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  return client;
}

const sendChat = (stage: Stage, rest: Record<string, unknown>) =>
  send(stage, "/v1/chat/completions", chatBody(rest));

/** The backend's own view: the call was broken off by the gateway, and no other followed. */
async function expectUpstreamClosed(backend: SimulatedBackend): Promise<void> {
  await waitFor("the end of the upstream call", () => backend.requests[0]!.closedAt, CLOSED_WITHIN_MS);
  expect(backend.requests).toHaveLength(1);
  expect(backend.requests[0]!.aborted).toBe(true);
}

async function expectClientAbort(stage: Stage, status: number): Promise<void> {
  const end = await stage.ended();
  expect(end).toMatchObject({ outcome: "client_abort", status, error: { code: "client_closed_request" } });
  expect(end.attempts.map(({ outcome }) => outcome)).toEqual(["client_abort"]);
  expect(end.attempts[0]!.error?.upstream).toBeUndefined();
  expect(stage.inFlight()).toBe(0);
  expect(stage.ends).toHaveLength(1);
}

interface Window {
  title: string;
  fault: Fault;
  stream: boolean;
  /** Status that has gone out by then. */
  status: number;
  request?: Record<string, unknown>;
}

const TOOLS = {
  messages: [{ role: "user", content: "What is the weather?" }],
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        parameters: { type: "object", properties: { city: { type: "string" } } },
      },
    },
  ],
};

const WINDOWS: Window[] = [
  { title: "before headers, whole", fault: { kind: "no_answer" }, stream: false, status: 499 },
  { title: "before headers, streamed", fault: { kind: "no_answer" }, stream: true, status: 499 },
  {
    title: "in the middle of a whole reply",
    fault: { kind: "stall", afterBytes: 20 },
    stream: false,
    status: 499,
  },
  { title: "before the first token", fault: { kind: "stall", afterEvents: 1 }, stream: true, status: 499 },
  {
    title: "after headers without an event",
    fault: { kind: "silence_after_headers" },
    stream: true,
    status: 499,
  },
  { title: "in mid-stream", fault: { kind: "stall", afterEvents: 4 }, stream: true, status: 200 },
  {
    title: "inside a tool-call delta",
    fault: { kind: "stall", afterEvents: 3 },
    stream: true,
    status: 200,
    request: TOOLS,
  },
];

describe("a client that leaves", () => {
  it.each(WINDOWS)("E14 st-7: $title closes the upstream call, and nobody is blamed", async (window) => {
    const backend = await simulated({ faults: [window.fault] });
    const other = await simulated();
    const stage = await startStage({
      backends: { main: openaiAt(backend), other: openaiAt(other) },
      plugins: [retry()],
    });
    const client = await sendChat(stage, { stream: window.stream, ...window.request });
    if (window.status === 200) await client.readUntil(window.request ? '"tool_calls"' : '"content":"');
    await waitFor("the fault", () => backend.requests[0]?.bodySha256);
    if (window.fault.kind !== "no_answer") await waitFor("the headers", () => backend.requests[0]!.status);
    client.destroy();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, window.status);
    expect(other.requests).toHaveLength(0);
  });

  it("E14: is noticed in the same way when it resets the connection", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 4 }] });
    const stage = await stageBefore(backend);
    const client = await sendChat(stage, { stream: true });
    await client.readUntil('"content":"');
    client.reset();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, 200);
  });

  it("E14 L11: is taken to have left when it closes its half of the connection", async () => {
    const backend = await simulated({ faults: [{ kind: "no_answer" }] });
    const stage = await stageBefore(backend);
    const client = await sendChat(stage, {});
    await waitFor("the request", () => backend.requests[0]?.bodySha256);
    client.halfClose();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, 499);
  });

  it("E14 L11: the same while it takes nothing and the gateway has more to write", async () => {
    let sent = 0;
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      for (; !connection.ended; sent++) await connection.send(chunk(delta("x".repeat(8_000))));
    });
    const stage = await stageBefore(upstream);
    const client = await sendChat(stage, { stream: true });
    client.socket.pause();
    await waitForStandstill("a backend that cannot send", () => sent);
    client.halfClose();
    expect((await stage.ended()).outcome).toBe("client_abort");
    await waitFor("the end of the upstream connection", () => upstream.connections[0]!.ended);
    client.destroy();
  });

  it("E14: closes the call in mid-stream where the stream is translated", async () => {
    const backend = await simulated({ dialect: "ollama", faults: [{ kind: "stall", afterEvents: 3 }] });
    const stage = await startStage({ backends: { main: ollamaAt(backend) } });
    const client = await sendChat(stage, { stream: true });
    await client.readUntil('"content":"');
    client.destroy();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, 200);
  });

  it("E14: closes the call in the middle of audio", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterBytes: 2_000 }] });
    const stage = await stageBefore(backend);
    const client = await send(stage, "/v1/audio/speech", { model: MODEL, input: "Hello.", voice: "alloy" });
    await client.readUntil("\r\n\r\n");
    await client.readBytes(1_000);
    client.destroy();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, 200);
  });

  it.each([
    ["a length", { "content-length": "1000000" }, (piece: Buffer) => piece],
    ["chunks", { "transfer-encoding": "chunked" }, chunk],
  ])("E14: closes the call in the middle of its own upload, by %s", async (_, framing, framed) => {
    const backend = await simulated();
    const stage = await stageBefore(backend);
    const client = await connectRaw(stage.url);
    const head =
      `--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${MODEL}\r\n` +
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`;
    await client.send(
      requestText("POST", "/v1/audio/transcriptions", {
        headers: { "content-type": "multipart/form-data; boundary=b", ...framing },
      }),
    );
    await client.send(framed(Buffer.from(head)));
    await client.send(framed(Buffer.alloc(100_000)));
    await waitFor("the upload at the backend", () => (backend.requests[0]?.bodyBytes ?? 0) > 50_000);
    client.destroy();
    await expectUpstreamClosed(backend);
    await expectClientAbort(stage, 499);
  });

  it("E14: is let go in the middle of a JSON body, without a call to any backend", async () => {
    const replies: Promise<Reply>[] = [];
    const waiting = defineGatewayPlugin({
      name: "waiting",
      options: v.strictObject({}),
      headersOnly: true,
      setup: () => ({
        middleware: (_ctx, next) => {
          const reply = next();
          replies.push(reply);
          return reply;
        },
      }),
    });
    const backend = await simulated();
    const stage = await stageBefore(backend, { plugins: [waiting()] });
    const client = await connectRaw(stage.url);
    const request = requestText("POST", "/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chatBody()),
    });
    await client.send(request.slice(0, -10));
    await waitFor("the request", () => replies.length > 0);
    client.destroy();
    await expect(replies[0]).rejects.toMatchObject({ code: "client_closed_request" });
    expect(await stage.ended()).toMatchObject({ outcome: "client_abort", status: 499, attempts: [] });
    expect(backend.requests).toHaveLength(0);
  });

  it("E14 st-7: is let go while it waits in a queue, without a call to any backend", async () => {
    const waits: Promise<void>[] = [];
    const queue = defineGatewayPlugin({
      name: "queue",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (ctx, next) => {
          const wait = ctx.sleep(60_000);
          waits.push(wait);
          await wait;
          return next();
        },
      }),
    });
    const backend = await simulated();
    const stage = await stageBefore(backend, { plugins: [queue()] });
    const client = await sendChat(stage, {});
    await waitFor("the request", () => waits.length > 0);
    client.destroy();
    await expect(waits[0]).rejects.toMatchObject({ code: "client_closed_request" });
    expect(await stage.ended()).toMatchObject({ outcome: "client_abort", status: 499, attempts: [] });
    expect(backend.requests).toHaveLength(0);
  });

  it("E14: calls no backend for a client that left while a plugin did not look", async () => {
    const held: (() => void)[] = [];
    const replies: Promise<Reply>[] = [];
    const oblivious = defineGatewayPlugin({
      name: "oblivious",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (_ctx, next) => {
          await new Promise<void>((resolve) => held.push(resolve));
          const reply = next();
          replies.push(reply);
          return reply;
        },
      }),
    });
    const backend = await simulated();
    const stage = await stageBefore(backend, { plugins: [oblivious()] });
    const client = await sendChat(stage, {});
    await waitFor("the request", () => held.length > 0);
    client.destroy();
    await stage.ended();
    held[0]!();
    await waitFor("the plugin to go on", () => replies.length > 0);
    await expect(replies[0]).rejects.toMatchObject({ code: "client_closed_request" });
    expect(stage.contexts[0]!.attempts).toEqual([]);
    expect(backend.requests).toHaveLength(0);
  });

  it("E14: does not start another attempt while a retry waits", async () => {
    const backend = await simulated({
      faults: [{ kind: "status", status: 503, headers: { "retry-after": "20" } }],
    });
    const stage = await stageBefore(backend, { plugins: [retry()] });
    const client = await sendChat(stage, {});
    await waitFor("the failed attempt", () => stage.contexts[0]?.attempts[0]?.outcome);
    client.destroy();
    expect(await stage.ended()).toMatchObject({ outcome: "client_abort", status: 499 });
    expect(backend.requests).toHaveLength(1);
  });

  it("E14: takes every pipelined request with it, those whose turn had not come included", async () => {
    const backend = await simulated({ faults: [{ kind: "no_answer" }, { kind: "no_answer" }] });
    const stage = await stageBefore(backend);
    const client = await connectRaw(stage.url);
    const request = requestText("POST", "/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chatBody()),
    });
    await client.send(request + request);
    await waitFor(
      "both requests",
      () => backend.requests.filter(({ bodySha256 }) => bodySha256).length === 2,
    );
    client.destroy();
    await waitFor(
      "the end of both calls",
      () => backend.requests.every(({ closedAt }) => closedAt),
      CLOSED_WITHIN_MS,
    );
    await stage.ended(2);
    expect(stage.ends.map(({ outcome }) => outcome)).toEqual(["client_abort", "client_abort"]);
    expect(stage.inFlight()).toBe(0);
  });

  it("E14: cancels the stream of a plugin's own", async () => {
    let cancelled = 0;
    const own = defineGatewayPlugin({
      name: "own-stream",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async () => ({
          status: 200,
          headers: { "content-type": "text/plain" },
          body: {
            start: (sink: BodySink) => sink.data(Buffer.from("begun")),
            pause: () => {},
            resume: () => {},
            cancel: () => void cancelled++,
          },
        }),
      }),
    });
    const stage = await stageBefore(await simulated(), { plugins: [own()] });
    const client = await sendChat(stage, {});
    await client.readUntil("begun");
    client.destroy();
    expect((await stage.ended()).outcome).toBe("client_abort");
    expect(cancelled).toBe(1);
  });

  it("st-7: is charged for what was produced so far", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
      await connection.send(chunk(delta("a", { usage })));
    });
    const stage = await stageBefore(upstream);
    const client = await sendChat(stage, { stream: true });
    await client.readUntil('"content":"');
    client.destroy();
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "client_abort", usage: { inputTokens: 3, outputTokens: 2 } });
    expect(end.bytesOut).toBeGreaterThan(0);
    await waitFor(
      "the end of the upstream connection",
      () => upstream.connections[0]!.ended,
      CLOSED_WITHIN_MS,
    );
  });

  it("re-10: leaves the connections of others alone", async () => {
    const backend = await simulated({ tokens: 30, tokenMs: 5, faults: [{ kind: "stall", afterEvents: 4 }] });
    const stage = await stageBefore(backend);
    const leaving = await sendChat(stage, { stream: true });
    await leaving.readUntil('"content":"');
    const staying = await sendChat(stage, { stream: true });
    await staying.readUntil('"content":"');
    leaving.destroy();
    await staying.readUntil("data: [DONE]");
    expect((await stage.ended(2)).outcome).toBe("complete");
    staying.destroy();
  });
});
