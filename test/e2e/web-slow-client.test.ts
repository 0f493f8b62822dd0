/** Clients behind web `Request` and `Response` that are slow, held to what clients on Node are held to. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chatBody, MODEL, openaiAt, simulated } from "./_stage.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function gatewayBefore(
  backend: SimulatedBackend,
  limits: Record<string, number>,
): Promise<TestGateway> {
  const gateway = await startTestGateway({
    server: { limits },
    backends: { only: openaiAt(backend) },
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

const post = (path: string, body: unknown): Request =>
  new Request(`http://gateway.test${path}`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(body),
  });

/** What the log says of the end of a request. */
async function ended({ lines }: TestGateway): Promise<Record<string, unknown>> {
  const line = await waitFor("the log", () => lines.find((text) => text.includes('"outcome"')));
  return JSON.parse(line) as Record<string, unknown>;
}

const STREAMS = [
  { what: "events", path: "/v1/chat/completions", body: chatBody({ stream: true }) },
  { what: "audio", path: "/v1/audio/speech", body: { model: MODEL, input: "Hello", voice: "alloy" } },
];

describe("a client of the web handler", () => {
  it.each(STREAMS)(
    "that takes nothing of its reply is cut off, and the backend with it: $what",
    async (each) => {
      const backend = await simulated({ tokens: 10_000, tokenMs: 2, speechBytes: 64 * 1024 * 1024 });
      const gateway = await gatewayBefore(backend, { writeTimeoutMs: 300 });
      const reply = await gateway.server.gateway.fetch(post(each.path, each.body));
      expect(reply.status).toBe(200);
      const sent = backend.requests[0]!;
      await sent.closed;
      expect(sent.aborted).toBe(true);
      expect(await ended(gateway)).toMatchObject({ outcome: "client_abort", status: 200 });
      expect(gateway.server.gateway.active).toBe(0);
      await expect(reply.text()).rejects.toMatchObject({ code: "client_closed_request" });
    },
  );

  it("that takes a piece now and then gets all of it", async () => {
    const speechBytes = 8 * 1024 * 1024;
    const backend = await simulated({ speechBytes });
    const gateway = await gatewayBefore(backend, { writeTimeoutMs: 1_000 });
    const reply = await gateway.server.gateway.fetch(post(STREAMS[1]!.path, STREAMS[1]!.body));
    const reader = reply.body!.getReader();
    let bytes = 0;
    // In all longer than the limit.
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      bytes += next.value.length;
      await sleep(10);
    }
    expect(bytes).toBeGreaterThanOrEqual(speechBytes);
    expect(await ended(gateway)).toMatchObject({ outcome: "complete", status: 200 });
  });

  it("is not blamed for a backend that is silent", async () => {
    const backend = await simulated({ tokens: 3, tokenMs: 400 });
    const gateway = await gatewayBefore(backend, { writeTimeoutMs: 100 });
    const reply = await gateway.server.gateway.fetch(post(STREAMS[0]!.path, STREAMS[0]!.body));
    expect(await reply.text()).toMatch(/data: \[DONE\]\n\n$/);
    expect(await ended(gateway)).toMatchObject({ outcome: "complete" });
  });

  it("whose JSON body does not come in time is 408", async () => {
    const backend = await simulated();
    const gateway = await gatewayBefore(backend, { bodyTimeoutMs: 150 });
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('{"model":')),
    });
    const url = "http://gateway.test/v1/chat/completions";
    const request = new Request(url, { method: "POST", headers: JSON_TYPE, body, duplex: "half" });
    const reply = await gateway.server.gateway.fetch(request);
    expect(reply.status).toBe(408);
    expect(await reply.json()).toMatchObject({ error: { code: "request_timeout" } });
    expect(backend.requests).toHaveLength(0);
  });
});
