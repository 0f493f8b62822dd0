import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { realtime } from "@gatewright/realtime";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { createServer, type Server } from "node:tls";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { SELF_SIGNED } from "../e2e/_certificate.ts";
import { startRealtimeBackend, type RealtimeBackend } from "../e2e/_realtime-backend.ts";

const KEY = "sk-sdk-realtime-0123456789abcdef";
const MODEL = "talker";

let backend: RealtimeBackend;
let gateway: TestGateway;
/** The SDK speaks `wss` alone: TLS ends before the gateway, as it does behind a load balancer. */
let tls: Server;
beforeAll(async () => {
  backend = await startRealtimeBackend();
  gateway = await startTestGateway({
    backends: {
      only: { adapter: "openai", baseURL: `${backend.url}/v1`, apiKey: "sk-account", models: ["m"] },
    },
    models: { [MODEL]: { targets: [{ backend: "only", model: "m" }] } },
    plugins: [apiKeys({ keys: [{ id: "app", key: KEY }] }), realtime(), balancer()],
  });
  tls = createServer(SELF_SIGNED, (socket) => {
    const inner = connect(gateway.port, "127.0.0.1");
    socket.pipe(inner).pipe(socket);
    for (const [side, other] of [
      [socket, inner],
      [inner, socket],
    ] as const)
      side.on("error", () => other.destroy());
  }).listen(0, "127.0.0.1");
  await once(tls, "listening");
});
afterAll(async () => {
  await gateway.close();
  await backend.close();
  tls.close();
});

function dial(apiKey: string): OpenAIRealtimeWS {
  const { port } = tls.address() as AddressInfo;
  const client = new OpenAI({ baseURL: `https://127.0.0.1:${port}/v1`, apiKey });
  return new OpenAIRealtimeWS({ model: MODEL, options: { ca: SELF_SIGNED.cert } }, client);
}

describe("openai for Node, realtime", () => {
  it("holds a conversation and closes it", async () => {
    const session = dial(KEY);
    const errors: unknown[] = [];
    session.on("error", (error) => errors.push(error));
    let text = "";
    session.on("response.output_text.delta", ({ delta }) => (text += delta));
    const done = new Promise((resolve) => session.on("response.done", resolve));
    session.socket.on("open", () => session.send({ type: "response.create" }));
    expect(await done).toMatchObject({ response: { usage: { total_tokens: 12 } } });
    expect(text).toBe("Hello");
    session.close({ code: 1000, reason: "OK" });
    const seen = backend.sessions[0]!;
    expect(await waitFor("the end at the backend", () => seen.closed)).toEqual({ code: 1000, reason: "OK" });
    expect(seen.request.url).toBe("/v1/realtime?model=m");
    expect(seen.request.headers.authorization).toBe("Bearer sk-account");
    expect(errors).toEqual([]);
  });

  it("is told that its key is not valid", async () => {
    const session = dial("sk-of-nobody");
    const error = await new Promise<Error>((resolve) => session.on("error", resolve));
    expect(error.message).toContain("401");
    expect(backend.sessions).toHaveLength(1);
  });
});
