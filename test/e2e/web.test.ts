/** The way in and out over web `Request`, `Response` and `fetch`, as Bun and Deno take it. */
import { createFetchTransport } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chatBody, CREDENTIAL, openaiAt, simulated } from "./_stage.ts";

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

  it("E9: ends a broken stream in an error event", async () => {
    const backend = await simulated({ tokens: 6 });
    backend.faults = [{ kind: "cut", afterEvents: 3 }];
    const { server } = await gatewayBefore(backend);
    const text = await (await server.gateway.fetch(chatRequest({ stream: true }))).text();
    expect(text).toMatch(/data: \{"error":\{[^\n]*"code":"upstream_interrupted"/);
    expect(text).not.toContain("[DONE]");
  });

  it("E14: closes the upstream call when the reader leaves", async () => {
    const backend = await simulated({ tokens: 10_000, tokenMs: 10 });
    const { server } = await gatewayBefore(backend);
    const reply = await server.gateway.fetch(chatRequest({ stream: true }));
    await reply.body!.cancel();
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    expect(server.gateway.active).toBe(0);
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
