import dns from "node:dns";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { retry } from "@gatewright/retry";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Fault } from "../../playground/src/simulated-backend.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import type { UpstreamConnection } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import { SELF_SIGNED } from "./_certificate.ts";
import {
  answering,
  chat,
  chatStream,
  CREDENTIAL,
  delta,
  errorEvent,
  errorOf,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  scripted,
  simulated,
  stageBefore,
  startStage,
  streamReply,
} from "./_stage.ts";

const COMPLETION = {
  id: "c-1",
  object: "chat.completion",
  model: MODEL,
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
};

/** Text for as long as anybody takes it. */
async function pourText(connection: UpstreamConnection): Promise<void> {
  const piece = chunk("x".repeat(32 * 1024));
  while (!connection.ended) await connection.send(piece);
}

/** A port on which nothing listens. */
async function closedPort(): Promise<string> {
  const upstream = await scripted(() => {});
  const { url } = upstream;
  await upstream.close();
  return url;
}

describe("a backend that cannot be reached", () => {
  it("U1: refuses connections: 502, without its address", async () => {
    const url = await closedPort();
    const stage = await stageBefore({ url });
    const response = await chat(stage);
    expect(response.status).toBe(502);
    const error = await errorOf(response);
    expect(error).toMatchObject({ type: "provider_error", code: "provider_error" });
    expect(JSON.stringify(error)).not.toContain(new URL(url).port);
    expect(await stage.ended()).toMatchObject({
      outcome: "upstream_error",
      error: { upstream: { sent: false } },
    });
  });

  it("U1: has no address: 502", async () => {
    const stage = await stageBefore({ url: "http://no-such-host.invalid" });
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect((await errorOf(response)).message).not.toContain("no-such-host");
    const line = await waitFor("its line", () => stage.lines.find((one) => one.includes('"request"')));
    expect(JSON.parse(line)).toMatchObject({
      error: "provider_error",
      cause: expect.stringMatching(/^(?:ENOTFOUND|EAI_AGAIN)$/),
    });
  });

  it("U1 re-10: is passed over for one that answers", async () => {
    const backend = await simulated();
    const stage = await startStage({
      backends: { dead: openaiAt({ url: await closedPort() }), alive: openaiAt(backend) },
      plugins: [retry()],
    });
    const response = await chat(stage);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-gatewright-backend")).toBe("alive");
    expect(response.headers.get("x-gatewright-attempts")).toBe("2");
    expect(backend.requests).toHaveLength(1);
  });

  it("U1: never finishes the handshake: 504 at `connectMs`", async () => {
    const upstream = await scripted(() => {});
    const stage = await stageBefore(
      { url: upstream.url.replace("http:", "https:") },
      { timeouts: { connectMs: 150, totalMs: 5_000 } },
    );
    const response = await chat(stage);
    expect(response.status).toBe(504);
    expect((await errorOf(response)).message).toBe("Request timeout after 0.15 seconds");
    await waitFor("the end of the connection", () => upstream.connections[0]!.ended);
  });

  it("U1: never finishes the handshake: is passed over for one that answers", async () => {
    const silent = await scripted(() => {});
    const stage = await startStage({
      backends: {
        silent: openaiAt({ url: silent.url.replace("http:", "https:") }, { timeouts: { connectMs: 150 } }),
        alive: openaiAt(await simulated()),
      },
      plugins: [retry()],
    });
    const response = await chat(stage);
    expect([response.status, response.headers.get("x-gatewright-backend")]).toEqual([200, "alive"]);
  });

  it("U2: shows a certificate that nobody vouches for: 502 `upstream_tls_error`, and sees no request", async () => {
    let received = 0;
    const server = createTlsServer(SELF_SIGNED, (socket) =>
      socket.on("data", (data) => (received += data.length)),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const stage = await stageBefore(
      { url: `https://127.0.0.1:${port}` },
      { plugins: [retry({ baseDelayMs: 0 })] },
    );
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("upstream_tls_error");
    expect(received).toBe(0);
  });

  it("U2: speaks plain HTTP on a TLS port: 502 `upstream_tls_error`", async () => {
    const plain = await scripted(async (connection) => {
      await connection.readBytes(1);
      await connection.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    const stage = await stageBefore({ url: plain.url.replace("http:", "https:") });
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("upstream_tls_error");
  });

  /** What the resolver says of any name, for this test. */
  function resolving(answer: NodeJS.ErrnoException | LookupAddress[]): void {
    const lookup = vi.spyOn(dns, "lookup").mockImplementation((...args: unknown[]) => {
      const callback = args.at(-1) as (error: Error | null, addresses?: LookupAddress[]) => void;
      if (answer instanceof Error) callback(answer);
      else callback(null, answer);
    });
    onTestFinished(() => lookup.mockRestore());
  }

  it.each(["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL"])(
    "U1: has a name for which the resolver says %s: 502, and another backend gets the call",
    async (code) => {
      const backend = await simulated();
      const lost = openaiAt({ url: "http://backend.test:9" });
      const alone = await startStage({ backends: { lost }, plugins: [retry({ baseDelayMs: 1 })] });
      const both = await startStage({ backends: { lost, alive: openaiAt(backend) }, plugins: [retry()] });
      // The test's own calls go to addresses, which are not looked up.
      resolving(Object.assign(new Error(`getaddrinfo ${code} backend.test`), { code }));
      const refused = await chat(alone);
      expect([refused.status, (await errorOf(refused)).code]).toEqual([502, "provider_error"]);
      expect(await alone.ended()).toMatchObject({ error: { upstream: { kind: "connect", sent: false } } });
      expect((await chat(both)).headers.get("x-gatewright-backend")).toBe("alive");
    },
  );

  it.each([
    ["refuses", "::1"],
    // Discard-only (RFC 6666): routed to nowhere, where it is routed at all.
    ["is silent", "100::1"],
  ])("U19: has an IPv6 address that %s beside an IPv4 one that answers: 200", async (_, address) => {
    const backend = await simulated({ host: "127.0.0.1" });
    const stage = await stageBefore(
      { url: backend.url.replace("127.0.0.1", "backend.test") },
      { timeouts: { connectMs: 4_000 } },
    );
    resolving([
      { address, family: 6 },
      { address: "127.0.0.1", family: 4 },
    ]);
    expect((await chat(stage)).status).toBe(200);
    expect(backend.requests).toHaveLength(1);
  });
});

describe("a connection that breaks", () => {
  /** Answers the first request of a connection, and breaks off at the second. */
  async function closingWhenReused(breakOff: "reset" | "destroy", before = "") {
    return scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(jsonReply(COMPLETION));
      await connection.readRequest();
      if (before) await connection.send(before);
      connection[breakOff]();
    });
  }

  it.each(["reset", "destroy"] as const)(
    "U5: goes out once more when a kept connection ends by %s before any byte",
    async (breakOff) => {
      const upstream = await closingWhenReused(breakOff);
      const stage = await stageBefore(upstream);
      expect((await chat(stage)).status).toBe(200);
      const second = await chat(stage);
      expect(second.status).toBe(200);
      expect(second.headers.get("x-gatewright-attempts")).toBe("1");
      expect(upstream.connections).toHaveLength(2);
    },
  );

  it("U5: does not go out again when part of the reply's head had come", async () => {
    const upstream = await closingWhenReused("destroy", "HTTP/1.1 200 OK\r\ncontent-");
    const stage = await stageBefore(upstream);
    await chat(stage);
    expect((await chat(stage)).status).toBe(502);
    expect(upstream.connections).toHaveLength(1);
  });

  it("U5: does not go out again on a fresh connection", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      connection.reset();
    });
    const stage = await stageBefore(upstream);
    expect((await chat(stage)).status).toBe(502);
    expect(upstream.connections).toHaveLength(1);
  });

  it("U5: does not go out again for an operation that must not be repeated", async () => {
    const upstream = await closingWhenReused("destroy");
    const stage = await stageBefore(upstream);
    await chat(stage);
    const response = await post(`${stage.url}/v1/responses`, { model: MODEL, input: "Hello." });
    expect(response.status).toBe(502);
    expect(upstream.connections).toHaveLength(1);
  });

  it("U6: makes no second call after the first byte of a JSON body", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(
        `${replyHead(200, { "content-type": "application/json", "content-length": "99" })}{`,
      );
      connection.reset();
    });
    const stage = await stageBefore(upstream, { plugins: [retry({ baseDelayMs: 0 })] });
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
    expect(upstream.connections).toHaveLength(1);
  });

  it.each(["reset", "close", "end"] as const)(
    "U6 E9 st-6: makes no second call when a stream is cut after its commit point by %s",
    async (how) => {
      const backend = await simulated({ faults: [{ kind: "cut", afterEvents: 5, how }] });
      const other = await simulated();
      const stage = await startStage({
        backends: { main: openaiAt(backend), other: openaiAt(other) },
        plugins: [retry()],
      });
      const stream = await chatStream(stage);
      expect(stream).not.toContain("[DONE]");
      expect(errorEvent(stream)).toMatchObject({ type: "provider_error", code: "upstream_interrupted" });
      expect(backend.requests.length + other.requests.length).toBe(1);
      const end = await stage.ended();
      expect(end).toMatchObject({ outcome: "truncated", status: 200 });
      expect(end.attempts[0]).toMatchObject({ outcome: "truncated" });
      expect(stage.inFlight()).toBe(0);
    },
  );

  it.each(["reset", "close", "end"] as const)(
    "st-6: goes elsewhere when a stream is cut before its first content by %s",
    async (how) => {
      const backend = await simulated({ faults: [{ kind: "cut", afterEvents: 1, how }] });
      const other = await simulated();
      const stage = await startStage({
        backends: { main: openaiAt(backend), other: openaiAt(other) },
        plugins: [retry()],
      });
      const stream = await chatStream(stage);
      expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
      expect(stream.match(/"role"/g)).toHaveLength(1);
      expect((await stage.ended()).attempts.map(({ target }) => target.backend.name)).toEqual([
        "main",
        "other",
      ]);
    },
  );

  it.each(["reset", "close", "end"] as const)(
    "st-6: gets a real status, never 200, when a stream is cut before its first content by %s",
    async (how) => {
      const stage = await stageBefore(await simulated({ faults: [{ kind: "cut", afterEvents: 1, how }] }));
      const response = await chat(stage, { stream: true });
      expect(response.status).toBe(502);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect((await errorOf(response)).code).toBe("provider_error");
      expect((await stage.ended()).outcome).toBe("upstream_error");
    },
  );

  it("E9: ends a broken stream of the Responses API in `event: error`", async () => {
    const stage = await stageBefore(await simulated({ faults: [{ kind: "cut", afterEvents: 7 }] }));
    const response = await post(`${stage.url}/v1/responses`, { model: MODEL, input: "Hello.", stream: true });
    const last = (await response.text()).trimEnd().split("\n\n").at(-1)!;
    const [type, data] = last.split("\n");
    expect(type).toBe("event: error");
    expect(JSON.parse(data!.slice(6))).toMatchObject({ type: "error", code: "upstream_interrupted" });
    expect((await stage.ended()).outcome).toBe("truncated");
  });

  it("st-6: ends broken audio by a broken connection, not by a clean end", async () => {
    const stage = await stageBefore(
      await simulated({ faults: [{ kind: "cut", afterBytes: 4_000, how: "reset" }] }),
    );
    const response = await post(`${stage.url}/v1/audio/speech`, {
      model: MODEL,
      input: "Hi.",
      voice: "alloy",
    });
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect((await stage.ended()).outcome).toBe("truncated");
  });
});

describe("a stream that goes wrong", () => {
  const cases: { title: string; fault: Fault; outcome: string; code: string }[] = [
    {
      title: "turns to garbage",
      fault: { kind: "garbage", afterEvents: 5 },
      outcome: "upstream_error",
      code: "provider_error",
    },
    {
      title: "holds an event that is not JSON",
      fault: { kind: "malformed_event", afterEvents: 5 },
      outcome: "upstream_error",
      code: "provider_error",
    },
    {
      title: "reports an error of its own",
      fault: { kind: "stream_error", afterEvents: 5, message: `${CREDENTIAL} at http://127.0.0.1` },
      outcome: "upstream_error",
      code: "provider_error",
    },
    {
      title: "stalls",
      fault: { kind: "stall", afterEvents: 5 },
      outcome: "truncated",
      code: "upstream_interrupted",
    },
    {
      title: "never finishes",
      fault: { kind: "missing_finish" },
      outcome: "truncated",
      code: "upstream_interrupted",
    },
  ];
  for (const dialect of ["openai", "ollama"] as const)
    it.each(cases)(
      `st-6: ends in an error event when it $title (${dialect})`,
      async ({ fault, outcome, code }) => {
        const backend = await simulated({ dialect, faults: [fault] });
        const stage = await startStage({
          backends: {
            main: {
              ...openaiAt(backend),
              adapter: dialect,
              ...(dialect === "ollama" && { baseURL: backend.url }),
            },
          },
          timeouts: { idleMs: 500 },
        });
        const stream = await chatStream(stage);
        expect(stream).toContain('"content":"');
        expect(stream).not.toContain("[DONE]");
        expect(errorEvent(stream)).toMatchObject({ type: "provider_error", code });
        expect(stream).not.toContain(CREDENTIAL);
        expect(stream).not.toContain("127.0.0.1");
        expect((await stage.ended()).outcome).toBe(outcome);
        expect(stage.inFlight()).toBe(0);
        await waitFor("the end of the upstream call", () => backend.requests[0]!.closedAt);
      },
    );

  it("st-6: ends in one error event when speech that is sent as events reports one", async () => {
    const backend = await simulated({ faults: [{ kind: "stream_error", afterEvents: 1 }] });
    const stage = await stageBefore(backend);
    const body = { model: MODEL, input: "Hi.", voice: "alloy", stream_format: "sse" };
    const stream = await (await post(`${stage.url}/v1/audio/speech`, body)).text();
    expect(errorEvent(stream).code).toBe("provider_error");
    expect(stream.match(/"error":/g)).toHaveLength(1);
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("st-6: is no audio where it is JSON that tells of an error", async () => {
    const stage = await stageBefore(await answering(jsonReply({ error: { message: "No such voice." } })));
    const response = await post(`${stage.url}/v1/audio/speech`, { model: MODEL, input: "Hi.", voice: "x" });
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it("st-6: answers 502 when its first event is an error", async () => {
    const sent = 'data: {"error":{"message":"overloaded","type":"server_error","code":"server_error"}}\n\n';
    const stage = await stageBefore(await answering(streamReply(sent)));
    const response = await chat(stage, { stream: true });
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
  });

  it("st-6: answers 502 when it is empty", async () => {
    const stage = await stageBefore(await answering(streamReply()));
    const response = await chat(stage, { stream: true });
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
  });
});

describe("a reply that is none", () => {
  it.each([
    ["random bytes", Buffer.from("93f1c20a5b00ffd8e1", "hex")],
    ["HTTP/0.9", Buffer.from("<html>hello</html>\n")],
    ["an SSH banner", Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
  ])("U7: %s gives 502", async (_, bytes) => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(bytes);
      connection.halfClose();
    });
    const stage = await stageBefore(upstream);
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect((await errorOf(response)).code).toBe("provider_error");
  });

  it("U9: JSON where a stream was asked gives 502, never a mislabelled stream", async () => {
    const stage = await stageBefore(await answering(jsonReply(COMPLETION)));
    const response = await chat(stage, { stream: true });
    expect(response.status).toBe(502);
    expect(response.headers.get("content-type")).toBe("application/json");
  });

  it("U9: a stream where JSON was asked gives 502", async () => {
    const stage = await stageBefore(await answering(streamReply(delta("a"))));
    expect((await chat(stage)).status).toBe(502);
  });

  it.each(["not json", "", "3", "null"])("st-6: a body of %j gives 502", async (body) => {
    const stage = await stageBefore(await answering(jsonReply(body)));
    expect((await chat(stage)).status).toBe(502);
    expect((await stage.ended()).outcome).toBe("upstream_error");
  });

  it.each([301, 302, 303, 307, 308])(
    "U10: a redirect by %i is not followed, and the credential goes nowhere else",
    async (status) => {
      const elsewhere = await simulated();
      for (const host of [elsewhere.url, "http://169.254.169.254", "//169.254.169.254"]) {
        const location = `${host}/v1/chat/completions`;
        const upstream = await answering(replyHead(status, { location, "content-length": "0" }));
        const stage = await stageBefore(upstream, { plugins: [retry({ baseDelayMs: 1 })] });
        const response = await chat(stage, {}, { redirect: "manual" });
        expect(response.status).toBe(502);
        expect(response.headers.get("location")).toBeNull();
        expect(await response.text()).not.toContain(new URL(host, "http://x").host);
        expect(upstream.connections).toHaveLength(1);
      }
      expect(elsewhere.requests).toHaveLength(0);
    },
  );

  it("U17: a compressed reply is refused before it is read", async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      const headers = { "content-type": "application/json", "content-encoding": "gzip" };
      await connection.send(replyHead(200, { ...headers, "content-length": String(bomb.length) }));
      await connection.send(bomb);
    });
    const stage = await stageBefore(upstream);
    expect((await chat(stage)).status).toBe(502);
    await waitFor("the end of the connection", () => upstream.connections[0]!.ended);
  });

  it("U17: six encodings one upon the other are refused", async () => {
    const encodings = "gzip, gzip, gzip, gzip, gzip, gzip";
    const stage = await stageBefore(
      await answering(jsonReply(COMPLETION, 200, { "content-encoding": encodings })),
    );
    expect((await chat(stage)).status).toBe(502);
  });

  it("U17: a reply over `replyBytes` is cut off", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(
        replyHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" }),
      );
      for (let sent = 0; sent < 100 && !connection.ended; sent++)
        await connection.send(chunk(Buffer.alloc(1_000, 32)));
    });
    const stage = await stageBefore(upstream, { server: { limits: { replyBytes: 10_000 } } });
    expect((await chat(stage)).status).toBe(502);
    await waitFor("the end of the connection", () => upstream.connections[0]!.ended);
  });
});

describe("an error of the backend", () => {
  it.each([401, 403])(
    "U11 P1: %i becomes 502 without a fragment of the key, and is not repeated there",
    async (status) => {
      const message = `Incorrect API key provided: ${CREDENTIAL.slice(0, 12)}***${CREDENTIAL.slice(-4)}.`;
      const body = { error: { message, type: "invalid_request_error", code: "invalid_api_key" } };
      const backend = await simulated({ faults: () => ({ kind: "status", status, body }) });
      const stage = await stageBefore(backend, { plugins: [retry()] });
      const response = await chat(stage);
      expect(response.status).toBe(502);
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({
        error: { type: "provider_error", code: "upstream_auth_error" },
      });
      expect(text).not.toContain(CREDENTIAL.slice(-4));
      expect(backend.requests).toHaveLength(1);
    },
  );

  it.each([500, 502, 503, 504, 529])(
    "U13: %i, then success, takes two attempts, both in the record",
    async (status) => {
      const backend = await simulated({ faults: [{ kind: "status", status }] });
      const stage = await stageBefore(backend, { plugins: [retry({ baseDelayMs: 0, maxDelayMs: 0 })] });
      const response = await chat(stage);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-gatewright-attempts")).toBe("2");
      const end = await stage.ended();
      expect(end.attempts.map((attempt) => [attempt.outcome, attempt.status])).toEqual([
        ["upstream_error", status],
        ["complete", 200],
      ]);
      expect(end.outcome).toBe("complete");
    },
  );

  it.each<[string, (connection: UpstreamConnection) => Promise<void>]>([
    ["has no end", pourText],
    ["stops in the middle", (connection) => connection.send(chunk('{"error":'))],
  ])("is passed over for one that answers, though its body %s", async (_, sendBody) => {
    const endless = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(500, { "content-type": "text/plain", "transfer-encoding": "chunked" }));
      await sendBody(connection);
    });
    const backend = await simulated();
    const stage = await startStage({
      backends: { endless: openaiAt(endless), alive: openaiAt(backend) },
      plugins: [retry({ baseDelayMs: 0, maxDelayMs: 0 })],
    });
    const response = await chat(stage);
    expect([response.status, response.headers.get("x-gatewright-backend")]).toEqual([200, "alive"]);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ outcome, status }) => [outcome, status])).toEqual([
      ["upstream_error", 500],
      ["complete", 200],
    ]);
    await waitFor("the end of the upstream call", () => endless.connections[0]!.ended);
  });

  it("keeps its status where its body breaks off, and is no reason to try again", async () => {
    const broken = await scripted(async (connection) => {
      await connection.readRequest();
      const head = { "content-type": "application/json", "content-length": "500" };
      await connection.send(`${replyHead(422, head)}{"error":{"message":"No such`);
      connection.socket.resetAndDestroy();
    });
    const stage = await stageBefore(broken, { plugins: [retry({ baseDelayMs: 0, maxDelayMs: 0 })] });
    const response = await chat(stage);
    expect([response.status, response.headers.get("x-gatewright-attempts")]).toEqual([422, "1"]);
    expect((await errorOf(response)).message).toContain("422");
  });

  const COMPRESSED = { error: { message: "Too long.", type: "t", param: "messages", code: "c" } };
  const CODINGS: [string, (body: string) => Buffer][] = [
    ["gzip", gzipSync],
    ["X-GZIP", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
  ];
  const answeringCoded = (coding: string, body: Buffer) => {
    const head = { "content-type": "application/json", "content-encoding": coding };
    return answering(
      Buffer.concat([Buffer.from(replyHead(400, { ...head, "content-length": String(body.length) })), body]),
    );
  };

  it.each(CODINGS)("is read where it is compressed by %s, which nobody asked for", async (coding, encode) => {
    const stage = await stageBefore(await answeringCoded(coding, encode(JSON.stringify(COMPRESSED))));
    const response = await chat(stage);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(await errorOf(response)).toEqual(COMPRESSED.error);
  });

  it.each<[string, string, Buffer]>([
    ["no gzip", "gzip", Buffer.from("93f1c20a5b00ffd8e1", "hex")],
    ["cut short", "br", brotliCompressSync(JSON.stringify(COMPRESSED)).subarray(0, 20)],
    [
      "a bomb",
      "gzip",
      gzipSync(JSON.stringify({ error: { message: "x", padding: " ".repeat(10_000_000) } })),
    ],
    ["in a coding that is not known", "zstd", Buffer.from("28b52ffd", "hex")],
    ["coded twice", "gzip, gzip", gzipSync(gzipSync(JSON.stringify(COMPRESSED)))],
  ])("U17: says its status where its body is %s", async (_, coding, body) => {
    const stage = await stageBefore(await answeringCoded(coding, body));
    const response = await chat(stage);
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toBe("The backend answered 400");
  });

  const DAY_MS = 86_400_000;
  it.each<[header: Record<string, string>, ms: number | undefined]>([
    [{ "retry-after": "2" }, 2_000],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "-1" }, undefined],
    [{ "retry-after": "1e9" }, undefined],
    [{ "retry-after": "1000000000" }, DAY_MS],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "2026-11-21T00:00:00Z" }, undefined],
    [{ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, 0],
    [{ "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT" }, DAY_MS],
    [{ "retry-after": "Fri, 99 Nil 9999" }, undefined],
    [{ "retry-after": "9", "retry-after-ms": "1250.5" }, 1_250.5],
    [{ "retry-after": "9", "retry-after-ms": "-1" }, 9_000],
    [{ "retry-after-ms": "99999999999" }, DAY_MS],
  ])("U12: %j is %s ms to policies, and to the client", async (headers, expected) => {
    const backend = await simulated({ faults: [{ kind: "status", status: 429, headers }] });
    const stage = await stageBefore(backend);
    const response = await chat(stage);
    expect(response.status).toBe(429);
    expect((await stage.ended()).error?.upstream?.retryAfterMs).toBe(expected);
    const told = expected === undefined ? null : String(Math.max(1, Math.ceil(expected / 1_000)));
    expect(response.headers.get("retry-after")).toBe(told);
  });

  it("U12: a date ahead is the time until then", async () => {
    const headers = { "retry-after": new Date(Date.now() + 600_000).toUTCString() };
    const stage = await stageBefore(await simulated({ faults: [{ kind: "status", status: 429, headers }] }));
    await (await chat(stage)).text();
    const waitMs = (await stage.ended()).error!.upstream!.retryAfterMs!;
    // A date has whole seconds.
    expect(waitMs).toBeLessThanOrEqual(600_000);
    expect(waitMs).toBeGreaterThan(570_000);
  });

  it("U12: a wait beyond the deadline is not waited for", async () => {
    const headers = { "retry-after": "3600" };
    const backend = await simulated({ faults: () => ({ kind: "status", status: 429, headers }) });
    const stage = await stageBefore(backend, { plugins: [retry()], timeouts: { totalMs: 20_000 } });
    const response = await chat(stage);
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "3600"]);
    expect(backend.requests).toHaveLength(1);
  });

  it.each([400, 404, 409, 413, 415, 422, 429])("P1: %i passes with its message, redacted", async (status) => {
    const upstream = await scripted(async (connection) => {
      const { headers } = await connection.readRequest();
      const quoted = `${headers["authorization"]} at http://${headers["host"]}/v1`;
      const error = { message: `Bad: ${quoted}`, type: quoted, param: quoted, code: quoted };
      await connection.send(jsonReply({ error }, status));
    });
    const stage = await stageBefore(upstream);
    const response = await chat(stage);
    expect(response.status).toBe(status);
    const text = await response.text();
    expect(text).toContain("Bad: ");
    expect(text).not.toContain(CREDENTIAL);
    expect(text).not.toContain("127.0.0.1");
    expect(stage.lines.join("")).not.toContain(CREDENTIAL);
  });

  it("E4 P1: an HTML page says nothing to the client", async () => {
    const page = `<html>nginx at ${CREDENTIAL}</html>`;
    const upstream = await answering(
      replyHead(503, { "content-type": "text/html", "content-length": String(page.length) }) + page,
    );
    const stage = await stageBefore(upstream);
    const response = await chat(stage);
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ message: "The backend failed with status 503" });
  });
});

describe("a backend that answers before it has read the request", () => {
  it("U15: its 413 reaches a client that still uploads, and the upload stops", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readUntil("\r\n\r\n");
      const error = { message: "too large", type: "invalid_request_error", code: "request_too_large" };
      await connection.send(jsonReply({ error }, 413));
      await connection.closed;
    });
    const stage = await stageBefore(upstream);
    const client = await connectRaw(stage.url);
    const head =
      `--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${MODEL}\r\n` +
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n`;
    await client.send(
      requestText("POST", "/v1/audio/transcriptions", {
        headers: { "content-type": "multipart/form-data; boundary=b", "content-length": "50000000" },
      }) + head,
    );
    await client.send(Buffer.alloc(100_000));
    const reply = await readReply(client);
    expect(reply.status).toBe(413);
    expect(reply.headers["connection"]).toBe("close");
    expect(JSON.parse(String(reply.body))).toMatchObject({ error: { message: "too large" } });
    await waitFor("the end of the upstream connection", () => upstream.connections[0]!.ended);
    expect(await stage.ended()).toMatchObject({ outcome: "upstream_error", status: 413 });
    expect(stage.inFlight()).toBe(0);
    client.destroy();
  });
});

describe("a backend that is silent", () => {
  it("U3: is given up at `firstByteMs`, and the breaker counts it", async () => {
    const backend = await simulated({ faults: () => ({ kind: "no_answer" }) });
    const stage = await stageBefore(backend, {
      timeouts: { firstByteMs: 50 },
      plugins: [circuitBreaker({ failureThreshold: 2 })],
    });
    for (let count = 0; count < 2; count++) expect((await chat(stage)).status).toBe(504);
    for (const request of backend.requests) await waitFor("the end of its connection", () => request.aborted);
    const refused = await chat(stage);
    expect([refused.status, (await errorOf(refused)).code]).toEqual([503, "circuit_breaker_open"]);
    expect(backend.requests).toHaveLength(2);
  });
});
