import { defineGatewayPlugin, type Reply } from "gatewright";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { chatBody, openaiAt, simulated } from "./_stage.ts";

/** A gateway with a plugin that does to replies what `change` does, and what it answers to a chat. */
async function askThrough(change: (reply: Reply, set: (name: string) => void) => void): Promise<Response[]> {
  const plugin = defineGatewayPlugin({
    name: "careless",
    options: v.strictObject({}),
    setup: () => ({
      middleware: async (ctx, next) => {
        const reply = await next();
        change(reply, (name) => ctx.setReplyHeader(name, "x"));
        return reply;
      },
    }),
  });
  const backend = await simulated({ tokens: 3 });
  await using gateway = await startTestGateway({
    backends: { only: openaiAt(backend) },
    plugins: [plugin()],
  });
  const init = (stream: boolean): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(chatBody({ stream })),
  });
  const url = `${gateway.url}/v1/chat/completions`;
  const responses = [];
  for (const stream of [false, true]) {
    responses.push(await fetch(url, init(stream)));
    responses.push(await gateway.server.gateway.fetch(new Request(url, init(stream))));
  }
  return responses;
}

describe("a plugin that gives a header no reply can carry", () => {
  it.each([
    ["by name", (reply: Reply) => void (reply.headers["not a name"] = "x")],
    ["set for whatever leaves", (_: Reply, set: (name: string) => void) => set("not:a name")],
    ["empty", (_: Reply, set: (name: string) => void) => set("")],
  ])("gets an answer to the client all the same: 500, %s", async (_, change) => {
    for (const response of await askThrough(change)) {
      expect(response.status).toBe(500);
      expect(await response.json()).toMatchObject({ error: { code: "internal_error" } });
      expect(response.headers.get("x-request-id")).toBeTruthy();
    }
  });
});
