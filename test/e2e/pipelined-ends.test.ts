import { setTimeout as sleep } from "node:timers/promises";
import { defineGatewayPlugin, type BodyStream, type GatewayHost } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply, requestText, type RawClient } from "../_support/raw-client.ts";
import { waitFor } from "../_support/wait-for.ts";
import { jsonReply, MODEL, scripted, simulated, stageBefore, type Stage } from "./_stage.ts";

const chatText = (id: string, rest: Record<string, unknown> = {}): string =>
  requestText("POST", "/v1/chat/completions", {
    headers: { "content-type": "application/json", "x-request-id": id },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi" }], ...rest }),
  });

/** A connection with a stream that goes on, and behind it a second request that runs into a limit. */
async function startBehindStream(
  second: string,
  limits: { timeouts?: Record<string, number>; server?: Record<string, unknown> },
): Promise<{ stage: Stage; client: RawClient }> {
  const backend = await simulated({ tokens: 100_000, tokenMs: 20 });
  backend.faults = ({ headers }) =>
    headers["x-request-id"] === "second" ? { kind: "no_answer" } : undefined;
  const stage = await stageBefore(backend, limits);
  const client = await connectRaw(stage.url);
  await client.send(chatText("first", { stream: true }));
  await client.readUntil("data: ");
  await client.send(second);
  await waitFor("both requests", () => stage.contexts.length === 2);
  return { stage, client };
}

describe("a reply whose turn on the connection never comes", () => {
  it.each([
    ["`totalMs`", chatText("second"), { timeouts: { totalMs: 1_500 } }, 504],
    [
      "`bodyTimeoutMs`",
      chatText("second").slice(0, -10),
      { server: { limits: { bodyTimeoutMs: 200 } } },
      408,
    ],
  ])("ends with its connection after %s", async (_, second, limits, status) => {
    const { stage, client } = await startBehindStream(second, limits);
    await waitFor("the limit", () => stage.contexts[1]!.signal.aborted);
    client.destroy();
    await stage.ended(2);
    expect(new Set(stage.ends.map((end) => end.status))).toEqual(new Set([200, status]));
    expect(stage.inFlight()).toBe(0);
  });
});

describe("a large whole reply whose turn on the connection comes late", () => {
  it("comes whole, and so does the one behind it", async () => {
    const text = "x".repeat(3_000_000);
    const upstream = await scripted(async (connection) => {
      const { headers } = await connection.readRequest();
      if (headers["x-request-id"] === "first") await sleep(300);
      await connection.send(jsonReply({ object: "chat.completion", model: MODEL, choices: [{}], text }));
    });
    const stage = await stageBefore(upstream);
    const client = await connectRaw(stage.url);
    const ids = ["first", "second", "third"];
    await client.send(ids.map((id) => chatText(id)).join(""));
    for (const id of ids) {
      const reply = await readReply(client);
      expect(reply.headers["x-request-id"]).toBe(id);
      expect((JSON.parse(String(reply.body)) as { text: string }).text).toBe(text);
    }
    client.destroy();
  });
});

describe("shutdown", () => {
  it("ends even what never ends by itself: a request from inside whose plugin streams for ever", async () => {
    const outcomes: string[] = [];
    let host: GatewayHost | undefined;
    const forever: BodyStream = {
      start: (sink) => sink.data(Buffer.from("a")),
      pause() {},
      resume() {},
      cancel() {},
    };
    const endless = defineGatewayPlugin({
      name: "endless",
      options: v.strictObject({}),
      setup: (_, gateway) => {
        host = gateway;
        return {
          middleware: (ctx) => {
            ctx.onFinished(({ outcome }) => outcomes.push(outcome));
            return Promise.resolve({ status: 200, headers: {}, body: forever });
          },
        };
      },
    });
    const { server } = await startTestGateway({
      backends: { main: { adapter: "ollama", baseURL: "http://127.0.0.1:9", models: [MODEL] } },
      plugins: [endless()],
    });
    const request = new Request("http://gateway.test/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi" }] }),
    });
    expect((await host!.fetch(request)).status).toBe(200);
    expect(await server.stop(0)).toBe(false);
    expect(outcomes).toEqual(["truncated"]);
    expect(server.gateway.active).toBe(0);
  });
});
