/** What requests share, a plugin cannot change: one that tries fails alone. */
import { apiKeys } from "@gatewright/api-keys";
import { defineGatewayPlugin, type Context } from "gatewright";
import * as v from "valibot";
import { expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { chatBody, MODEL, openaiAt, simulated } from "./_stage.ts";

const KEY = "sk-test-0123456789abcdefghij";

/** Statuses of three requests through a plugin that does this once. */
async function askThrice(spoil: (ctx: Context) => unknown, path = "/v1/chat/completions") {
  let spoilt = false;
  const plugin = defineGatewayPlugin({
    name: "careless",
    options: v.strictObject({}),
    setup: () => ({
      middleware: (ctx, next) => {
        if (!spoilt) {
          spoilt = true;
          spoil(ctx);
        }
        return next();
      },
    }),
  });
  const gateway = await startTestGateway({
    backends: { only: openaiAt(await simulated({ tokens: 3 })) },
    plugins: [apiKeys({ keys: [{ id: "a", key: KEY, models: [MODEL] }] }), plugin()],
  });
  onTestFinished(() => gateway.close());
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) {
    const response = await fetch(gateway.url + path, {
      method: path === "/v1/models" ? "GET" : "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      ...(path !== "/v1/models" && { body: JSON.stringify(chatBody()) }),
    });
    statuses.push(response.status);
    await response.text();
  }
  return { statuses, log: gateway.lines.join("") };
}

/** As a plugin in JavaScript would. */
const spoiled = (value: unknown): Record<string, unknown> & { length: number } => value as never;

it.each<[string, (ctx: Context) => unknown]>([
  ["empties the candidates", (ctx) => (spoiled(ctx.candidates).length = 0)],
  ["sorts the candidates in place", (ctx) => (ctx.candidates as unknown[]).push(1)],
  ["empties what a name resolves to", (ctx) => (spoiled(ctx.resolve(MODEL)).length = 0)],
  ["renames a target", (ctx) => (spoiled(ctx.candidates[0])["model"] = "other")],
  ["renames a backend", (ctx) => (spoiled(ctx.candidates[0]!.backend)["name"] = "other")],
  ["moves a backend", (ctx) => (spoiled(ctx.candidates[0]!.backend)["baseURL"] = new URL("http://0.0.0.0"))],
  ["changes an operation", (ctx) => (spoiled(ctx.operation)["name"] = "speech")],
  ["changes who asks", (ctx) => (spoiled(ctx.principal)["allowsModel"] = () => false)],
])("a plugin that %s fails alone, and the log says why", async (_, spoil) => {
  const { statuses, log } = await askThrice(spoil);
  expect(statuses).toEqual([500, 200, 200]);
  expect(log).toMatch(/a request failed inside the gateway.*TypeError: Cannot/);
});

it("a plugin that writes to the body of a request without one fails alone", async () => {
  const { statuses } = await askThrice((ctx) => (ctx.body.json["model"] = "x"), "/v1/models");
  expect(statuses).toEqual([500, 200, 200]);
});
