import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { retry } from "@gatewright/retry";
import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { Fault, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import {
  answering,
  chat,
  chatBody,
  chatStream,
  delta,
  DONE,
  errorEvent,
  errorOf,
  EVENT_STREAM,
  FINISH,
  jsonReply,
  MODEL,
  openaiAt,
  scripted,
  simulated,
  stageBefore,
  startStage,
  streamReply,
} from "./_stage.ts";

async function expectClosed(backend: SimulatedBackend): Promise<void> {
  await waitFor("the end of the upstream call", () => backend.requests[0]!.closedAt);
  expect(backend.requests[0]!.aborted).toBe(true);
}

interface Limit {
  title: string;
  timeouts: Record<string, number>;
  fault: Fault;
  stream: boolean;
}

/** Each breaks before the commit point. The other limits are as good as off. */
const LIMITS: Limit[] = [
  { title: "U3 `firstByteMs`", timeouts: { firstByteMs: 100 }, fault: { kind: "no_answer" }, stream: false },
  {
    title: "U3 `firstByteMs` of a stream",
    timeouts: { firstByteMs: 100 },
    fault: { kind: "no_answer" },
    stream: true,
  },
  {
    title: "U4 `idleMs` after the headers",
    timeouts: { idleMs: 100 },
    fault: { kind: "silence_after_headers" },
    stream: false,
  },
  {
    title: "U4 `idleMs` in the middle of a JSON body",
    timeouts: { idleMs: 100 },
    fault: { kind: "stall", afterBytes: 30 },
    stream: false,
  },
  {
    title: "U4 `idleMs` before the first content",
    timeouts: { idleMs: 100 },
    fault: { kind: "stall", afterEvents: 1 },
    stream: true,
  },
  {
    title: "st-10 `firstTokenMs`",
    timeouts: { firstTokenMs: 100 },
    fault: { kind: "slow_first_token", ms: 5_000 },
    stream: true,
  },
  { title: "`attemptMs`", timeouts: { attemptMs: 100 }, fault: { kind: "no_answer" }, stream: false },
];

describe("a time limit of an attempt", () => {
  it.each(LIMITS)("$title: 504 naming its seconds, upstream closed, the backend to blame", async (limit) => {
    const backend = await simulated({ faults: [limit.fault] });
    const stage = await stageBefore(backend, { timeouts: limit.timeouts });
    const response = await chat(stage, { stream: limit.stream });
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toEqual({
      message: "Request timeout after 0.1 seconds",
      type: "gateway_timeout",
      param: null,
      code: "timeout",
    });
    await expectClosed(backend);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "upstream_error", status: 504 });
    expect(end.attempts[0]).toMatchObject({
      outcome: "upstream_error",
      error: { upstream: { kind: "timeout" } },
    });
    expect(stage.inFlight()).toBe(0);
  });

  it.each(LIMITS.filter(({ timeouts, stream }) => stream || !("idleMs" in timeouts)))(
    "$title: goes on to another backend",
    async (limit) => {
      const backend = await simulated({ faults: [limit.fault] });
      const other = await simulated();
      const stage = await startStage({
        backends: { main: openaiAt(backend, { timeouts: limit.timeouts }), other: openaiAt(other) },
        plugins: [retry()],
      });
      const response = await chat(stage, { stream: limit.stream });
      expect(response.status).toBe(200);
      expect(response.headers.get("x-gatewright-backend")).toBe("other");
      await response.text();
      await expectClosed(backend);
    },
  );

  it("st-10: a backend's own limit holds for it alone", async () => {
    const slow = await simulated({ faults: [{ kind: "delay", ms: 300 }] });
    const stage = await stageBefore(slow, {
      backends: { main: openaiAt(slow, { timeouts: { firstByteMs: 5_000 } }) },
      timeouts: { firstByteMs: 50 },
    });
    expect((await chat(stage)).status).toBe(200);
  });

  it("0 switches a limit off", async () => {
    const backend = await simulated({ faults: [{ kind: "delay", ms: 200 }] });
    const stage = await stageBefore(backend, {
      timeouts: { firstByteMs: 0, idleMs: 0, attemptMs: 0, totalMs: 0, firstTokenMs: 0 },
    });
    expect((await chat(stage)).status).toBe(200);
  });

  it("U4 st-6: `idleMs` after the commit point ends the stream in an error event", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 4 }] });
    const stage = await stageBefore(backend, { timeouts: { idleMs: 100 } });
    const stream = await chatStream(stage);
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
    await expectClosed(backend);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "truncated", status: 200 });
    expect(end.attempts[0]).toMatchObject({ outcome: "truncated", error: { upstream: { kind: "stalled" } } });
  });

  it("st-10: `idleMs` is counted from the last chunk", async () => {
    const backend = await simulated({ tokens: 12, tokenMs: 100 });
    const stage = await stageBefore(backend, { timeouts: { idleMs: 1_000 } });
    expect((await chatStream(stage)).endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it("st-10: `maxStreamMs` ends a stream that never ends", async () => {
    const backend = await simulated({ tokens: 1_000, tokenMs: 10 });
    const stage = await stageBefore(backend, { timeouts: { maxStreamMs: 150 } });
    expect(errorEvent(await chatStream(stage)).code).toBe("upstream_interrupted");
    await expectClosed(backend);
    expect((await stage.ended()).outcome).toBe("truncated");
  });

  it("E8: a whole stream whose connection then stays open is complete at `idleMs`", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      const finish = delta("").replace('"finish_reason":null', '"finish_reason":"stop"');
      await connection.send(replyHead(200, EVENT_STREAM));
      await connection.send(chunk(delta("a") + finish));
    });
    const stage = await stageBefore(upstream, { timeouts: { idleMs: 100 } });
    expect((await chatStream(stage)).endsWith("data: [DONE]\n\n")).toBe(true);
    expect((await stage.ended()).outcome).toBe("complete");
    await waitFor("the end of the upstream connection", () => upstream.connections[0]!.ended);
  });
});

describe("the deadline of a request", () => {
  it("re-13: `totalMs` gives 504, closes the upstream call and blames the backend that was waited for", async () => {
    const backend = await simulated({ faults: [{ kind: "no_answer" }] });
    const stage = await stageBefore(backend, { timeouts: { totalMs: 100 } });
    const response = await chat(stage);
    expect(response.status).toBe(504);
    expect((await errorOf(response)).message).toBe("Request timeout after 0.1 seconds");
    expect(response.headers.get("x-gatewright-backend")).toBe("main");
    await expectClosed(backend);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "upstream_error", status: 504 });
    expect(end.attempts[0]).toMatchObject({
      outcome: "upstream_error",
      error: { upstream: { kind: "timeout" } },
    });
  });

  it("re-13: holds a stream up to its commit point", async () => {
    const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 1 }] });
    const stage = await stageBefore(backend, { timeouts: { totalMs: 100 } });
    expect((await chat(stage, { stream: true })).status).toBe(504);
    await expectClosed(backend);
  });

  it("re-13: covers the time before any attempt, and then blames nobody", async () => {
    const queue = defineGatewayPlugin({
      name: "queue",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (ctx, next) => {
          await ctx.sleep(60_000);
          return next();
        },
      }),
    });
    const backend = await simulated();
    const stage = await stageBefore(backend, { timeouts: { totalMs: 100 }, plugins: [queue()] });
    expect((await chat(stage)).status).toBe(504);
    expect(await stage.ended()).toMatchObject({ outcome: "rejected", attempts: [] });
    expect(backend.requests).toHaveLength(0);
  });

  it("re-13: covers every attempt together", async () => {
    const stubborn = defineGatewayPlugin({
      name: "stubborn",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (ctx, next) => {
          for (;;) {
            try {
              return await next();
            } catch (error) {
              if (ctx.signal.aborted) throw error;
            }
          }
        },
      }),
    });
    const backend = await simulated({ faults: () => ({ kind: "no_answer" }) });
    const stage = await stageBefore(backend, {
      timeouts: { totalMs: 1_000, firstByteMs: 100 },
      plugins: [stubborn()],
    });
    const response = await chat(stage);
    expect(response.status).toBe(504);
    expect((await errorOf(response)).message).toBe("Request timeout after 1 second");
    const end = await stage.ended();
    expect(end.outcome).toBe("upstream_error");
    expect(end.attempts.length).toBeGreaterThan(1);
    for (const { outcome } of end.attempts) expect(outcome).toBe("upstream_error");
  });
});

describe("a time limit of the client", () => {
  it("1.1: a body that does not come in time: 408, and no call to a backend", async () => {
    const backend = await simulated();
    const stage = await stageBefore(backend, { server: { limits: { bodyTimeoutMs: 100 } } });
    const client = await connectRaw(stage.url);
    const request = requestText("POST", "/v1/chat/completions", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(chatBody()),
    });
    await client.send(request.slice(0, -10));
    expect(String(await client.readUntil("\r\n\r\n"))).toMatch(/^HTTP\/1\.1 408 /);
    expect(await stage.ended()).toMatchObject({ outcome: "rejected", status: 408 });
    expect(backend.requests).toHaveLength(0);
    client.destroy();
  });

  it("1.1: a client that takes nothing is cut off, and its upstream call is closed", async () => {
    const text = "x".repeat(16_000);
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      while (!connection.ended) await connection.send(chunk(delta(text)));
    });
    const stage = await stageBefore(upstream, { server: { limits: { writeTimeoutMs: 100 } } });
    const client = await connectRaw(stage.url);
    client.socket.pause();
    await client.send(
      requestText("POST", "/v1/chat/completions", {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(chatBody({ stream: true })),
      }),
    );
    expect((await stage.ended()).outcome).toBe("client_abort");
    await waitFor("the end of the upstream connection", () => upstream.connections[0]!.ended);
    client.destroy();
  });

  /** 20 MB: more than the sockets in between can hold. */
  const embedding = { object: "list", model: MODEL, data: [{ index: 0, embedding: "x".repeat(20_000_000) }] };
  const embeddingText = requestText("POST", "/v1/embeddings", {
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, input: "x" }),
  });

  it("1.1: a client that takes nothing of a whole reply is cut off as well", async () => {
    const upstream = await answering(jsonReply(embedding));
    const stage = await stageBefore(upstream, { server: { limits: { writeTimeoutMs: 200 } } });
    const client = await connectRaw(stage.url);
    client.socket.pause();
    await client.send(embeddingText);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "client_abort", status: 200 });
    expect(end.attempts[0]!.outcome).toBe("complete");
    client.destroy();
  });

  it("1.1: nor is the rest of a stream kept for it for ever", async () => {
    const stage = await stageBefore(
      await answering(streamReply(delta("x".repeat(20_000_000)), FINISH, DONE)),
      { server: { limits: { writeTimeoutMs: 200 } } },
    );
    const client = await connectRaw(stage.url);
    client.socket.pause();
    await client.send(
      requestText("POST", "/v1/chat/completions", {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(chatBody({ stream: true })),
      }),
    );
    expect((await stage.ended()).outcome).toBe("client_abort");
    client.destroy();
  });

  it("1.1: a client that resets its connection before the last of a stream went out has not got it", async () => {
    let sent = false;
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(streamReply(delta("x".repeat(20_000_000)), FINISH, DONE));
      sent = true;
    });
    const stage = await stageBefore(upstream, {});
    const client = await connectRaw(stage.url);
    client.socket.pause();
    await client.send(
      requestText("POST", "/v1/chat/completions", {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(chatBody({ stream: true })),
      }),
    );
    await waitFor("the backend's last word", () => sent, 20_000);
    client.socket.resetAndDestroy();
    expect((await stage.ended()).outcome).toBe("client_abort");
  });

  it("1.1: a client that takes a whole reply slowly gets all of it", async () => {
    const text = jsonReply(embedding);
    const stage = await stageBefore(await answering(text), { server: { limits: { writeTimeoutMs: 1_000 } } });
    const client = connect(Number(new URL(stage.url).port), "127.0.0.1");
    let bytes = 0;
    client.on("data", (chunk) => {
      bytes += chunk.length;
      if (bytes % 1_000_000 > chunk.length) return;
      client.pause();
      setTimeout(() => client.resume(), 60);
    });
    client.write(embeddingText);
    expect((await stage.ended()).outcome).toBe("complete");
    const body = text.length - text.indexOf("\r\n\r\n") - 4;
    await waitFor("the last byte", () => bytes > body);
    client.destroy();
  });

  it("1.1: a reply that waits for its turn on the connection is not late", async () => {
    const upstream = await scripted(async (connection) => {
      const { body } = await connection.readRequest();
      if (!String(body).includes("first")) {
        await connection.send(streamReply(delta("x".repeat(100_000)), FINISH, DONE));
        return;
      }
      await connection.send(replyHead(200, EVENT_STREAM));
      for (let n = 0; n < 10; n++) {
        await connection.send(chunk(delta("a")));
        await sleep(80);
      }
      await connection.send(Buffer.concat([chunk(FINISH + DONE), Buffer.from(LAST_CHUNK)]));
    });
    const stage = await stageBefore(upstream, { server: { limits: { writeTimeoutMs: 200 } } });
    const client = await connectRaw(stage.url);
    const text = (content: string): string =>
      requestText("POST", "/v1/chat/completions", {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(chatBody({ stream: true, messages: [{ role: "user", content }] })),
      });
    await client.send(text("first") + text("second"));
    expect(String((await readReply(client)).body).endsWith(DONE)).toBe(true);
    expect(String((await readReply(client)).body).endsWith(DONE)).toBe(true);
    await stage.ended(2);
    expect(stage.ends.map(({ outcome }) => outcome)).toEqual(["complete", "complete"]);
    client.destroy();
  });
});
