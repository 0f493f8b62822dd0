/** The way in and out over web `Request`, `Response` and `fetch`, as Bun and Deno take it. */
import { createFetchTransport, defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chatBody, CREDENTIAL, MODEL, openaiAt, simulated } from "./_stage.ts";

async function gatewayBefore(backend: SimulatedBackend): Promise<TestGateway> {
  const gateway = await startTestGateway({ backends: { only: openaiAt(backend) }, plugins: [] });
  onTestFinished(() => gateway.close());
  return gateway;
}

function chatRequest(rest: Record<string, unknown>, init: RequestInit = {}): Request {
  return new Request("http://gateway.test/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chatBody(rest)),
    ...init,
  });
}

function forwardedFor(address: string): RequestInit {
  return { headers: { "content-type": "application/json", "x-forwarded-for": address } };
}
const FORWARDED = forwardedFor("203.0.113.5");

describe("the web handler", () => {
  it("answers whole, streamed, and with errors in the OpenAI shape", async () => {
    const { server } = await gatewayBefore(await simulated({ tokens: 3 }));
    const whole = await server.gateway.fetch(chatRequest({}));
    expect(whole.status).toBe(200);
    expect(whole.headers.get("x-gatewright-backend")).toBe("only");
    expect(await whole.json()).toMatchObject({ object: "chat.completion" });
    const stream = await server.gateway.fetch(chatRequest({ stream: true }));
    expect(stream.headers.get("content-type")).toMatch(/^text\/event-stream/);
    expect(await stream.text()).toMatch(/data: \[DONE\]\n\n$/);
    const unknown = await server.gateway.fetch(chatRequest({ model: "nosuch" }));
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ error: { code: "model_not_found", param: "model" } });
    expect((await server.gateway.fetch(new Request("http://gateway.test/health"))).status).toBe(200);
    expect(server.gateway.active).toBe(0);
  });

  it("gives audio whole and in pieces, none of them empty", async () => {
    const { server } = await gatewayBefore(await simulated({ speechBytes: 300_000 }));
    const reply = await server.gateway.fetch(
      new Request("http://gateway.test/v1/audio/speech", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-4o-mini", input: "say", voice: "alloy" }),
      }),
    );
    const lengths: number[] = [];
    for await (const piece of reply.body!) lengths.push(piece.length);
    expect(Math.min(...lengths)).toBeGreaterThan(0);
    expect(lengths.reduce((sum, length) => sum + length)).toBeGreaterThanOrEqual(300_000);
  });

  it("L1, L3, F19: refuses what Node's way in refuses, and asks no backend", async () => {
    const backend = await simulated();
    const { server } = await gatewayBefore(backend);
    await server.gateway.fetch(chatRequest({}));
    const via = backend.requests[0]!.headers["via"] as string;
    backend.clear();
    const refusals: [Request, number, string][] = [
      [new Request(`http://gateway.test/v1/models?${"x".repeat(9_000)}`), 414, "uri_too_long"],
      [chatRequest({}, { headers: { "content-encoding": "gzip" } }), 415, "unsupported_media_type"],
      [chatRequest({}, { headers: { via } }), 508, "loop_detected"],
      [new Request("http://gateway.test/nothing", { headers: { via } }), 508, "loop_detected"],
    ];
    for (const [request, status, code] of refusals) {
      const reply = await server.gateway.fetch(request);
      expect([reply.status, await reply.json()]).toMatchObject([status, { error: { code } }]);
      expect(reply.headers.get("x-request-id")).toBeTruthy();
    }
    expect(backend.requests).toHaveLength(0);
  });

  it("tells plugins who asks as Node's way in does: proxies that are trusted speak for others", async () => {
    const backend = await simulated();
    const addresses: string[] = [];
    const witness = defineGatewayPlugin({
      name: "witness",
      options: v.strictObject({}),
      setup: (_, host) => ({
        async middleware(ctx, next) {
          const { clientAddress: address, query } = ctx.request;
          addresses.push(address);
          if (query !== "") await host.fetch(chatRequest({}, forwardedFor("192.0.2.1")), { address });
          return next();
        },
      }),
    });
    const gateway = await startTestGateway({
      server: { trustedProxies: ["10.0.0.0/8"] },
      backends: { only: openaiAt(backend) },
      plugins: [witness()],
    });
    onTestFinished(() => gateway.close());
    const { fetch } = gateway.server.gateway;
    await fetch(chatRequest({}, FORWARDED), { address: "::ffff:10.0.0.7" });
    await fetch(chatRequest({}, FORWARDED), { address: "198.51.100.9" });
    await fetch(chatRequest({}, FORWARDED));
    expect(addresses.splice(0)).toEqual(["203.0.113.5", "198.51.100.9", ""]);
    await fetch(new Request(`${chatRequest({}).url}?again`, chatRequest({}, FORWARDED)), {
      address: "10.0.0.7",
    });
    expect(addresses).toEqual(["203.0.113.5", "203.0.113.5"]);
  });

  it("E9: ends a broken stream in an error event", async () => {
    const backend = await simulated({ tokens: 6 });
    backend.faults = [{ kind: "cut", afterEvents: 3 }];
    const { server } = await gatewayBefore(backend);
    const text = await (await server.gateway.fetch(chatRequest({ stream: true }))).text();
    expect(text).toMatch(/data: \{"error":\{[^\n]*"code":"upstream_interrupted"/);
    expect(text).not.toContain("[DONE]");
  });

  it("st-6: fails the body of audio that breaks off", async () => {
    const backend = await simulated({ faults: [{ kind: "cut", afterBytes: 2_000 }] });
    const { server } = await gatewayBefore(backend);
    const request = new Request("http://gateway.test/v1/audio/speech", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, input: "Hello.", voice: "alloy" }),
    });
    const reply = await server.gateway.fetch(request);
    expect(reply.status).toBe(200);
    await expect(reply.arrayBuffer()).rejects.toMatchObject({ code: "upstream_interrupted" });
  });

  it("E14: closes the upstream call when the reader leaves", async () => {
    const backend = await simulated({ tokens: 10_000, tokenMs: 10 });
    const { server } = await gatewayBefore(backend);
    const reply = await server.gateway.fetch(chatRequest({ stream: true }));
    await reply.body!.cancel();
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    expect(server.gateway.active).toBe(0);
  });

  it("E14: answers 499 to who gives up before the answer, and fails the body of who does later", async () => {
    const backend = await simulated({ tokens: 10_000, tokenMs: 10 });
    const { server } = await gatewayBefore(backend);
    for (const stream of [false, true]) {
      const leaving = new AbortController();
      const reply = server.gateway.fetch(chatRequest({ stream }, { signal: leaving.signal }));
      await waitFor("the request at the backend", () => backend.requests.length === 1);
      if (stream) await reply;
      leaving.abort();
      expect((await reply).status).toBe(stream ? 200 : 499);
      const text = (await reply).text();
      if (stream) await expect(text).rejects.toMatchObject({ code: "client_closed_request" });
      else expect(await text).toContain("client_closed_request");
      await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
      expect(server.gateway.active).toBe(0);
      backend.clear();
    }
  });
});

describe("the fetch transport", () => {
  it("sends what it is given and hands the reply on, and closes the connection on abort", async () => {
    const backend = await simulated({ tokens: 3 });
    const transport = createFetchTransport(new URL(backend.url));
    const call = (stream: boolean): { status: Promise<number>; done: Promise<string>; abort(): void } => {
      let text = "";
      let gotStatus!: (status: number) => void;
      const status = new Promise<number>((resolve) => (gotStatus = resolve));
      let running!: { abort(): void };
      const done = new Promise<string>((resolve, reject) => {
        running = transport.send(
          {
            method: "POST",
            path: "/v1/chat/completions",
            headers: ["content-type", "application/json", "authorization", `Bearer ${CREDENTIAL}`],
            body: JSON.stringify(chatBody({ stream })),
          },
          {
            onHeaders: gotStatus,
            onData: (chunk) => (text += Buffer.from(chunk).toString("utf8")),
            onEnd: () => resolve(text),
            onError: ({ cause }) => reject(cause),
          },
        );
      });
      return { status, done, abort: () => running.abort() };
    };
    const whole = call(false);
    expect(await whole.status).toBe(200);
    expect(JSON.parse(await whole.done)).toMatchObject({ object: "chat.completion" });
    Object.assign(backend.settings, { tokens: 10_000, tokenMs: 10 });
    const stream = call(true);
    expect(await stream.status).toBe(200);
    stream.abort();
    await waitFor("the connection is closed", () => backend.requests[1]!.aborted);
    await transport.close();
  });
});
