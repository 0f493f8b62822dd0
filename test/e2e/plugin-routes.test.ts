import { anthropicApi } from "@gatewright/anthropic-api";
import { defineGatewayPlugin } from "gatewright";
import { H3, HTTPError } from "h3";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPair, type Pair } from "./_downstream.ts";

const admin = defineGatewayPlugin({
  name: "admin",
  options: v.strictObject({}),
  setup: () => ({
    routes(app) {
      app.get("/admin/keys", () => ["a"]);
      app.post("/admin/keys", () => "made");
      app.delete("/admin/keys/:id", (event) => `gone: ${event.context.params!["id"]}`);
      app.put("/admin/keys/fixed", () => "put");
      app.get("/admin/pages/**", () => "page");
      app.post("/admin/pages/reset", () => "reset");
      app.get("/admin/missing", () => {
        throw new HTTPError({ status: 404 });
      });
      app.all("/admin/any", () => "any");
      app.mount(
        "/inner",
        new H3().post("/run", () => "ran"),
      );
    },
  }),
});

let pair: Pair;
beforeAll(async () => {
  pair = await startPair({ plugins: [anthropicApi(), admin()] });
});
afterAll(() => pair[Symbol.asyncDispose]());

/** On Node, and by the handler for other runtimes. */
const ways = [
  { way: "node", ask: (path: string, method: string) => fetch(pair.gateway.url + path, { method }) },
  {
    way: "fetch",
    ask: (path: string, method: string) =>
      pair.gateway.server.gateway.fetch(new Request(pair.gateway.url + path, { method })),
  },
];

describe.each(ways)("routes of a plugin ($way)", ({ ask }) => {
  it.each([
    ["POST", "/admin/keys", 200],
    ["HEAD", "/admin/keys", 200],
    ["DELETE", "/admin/keys/7", 200],
    ["DELETE", "/admin/keys/fixed", 200],
    ["GET", "/admin/pages/reset", 200],
    ["PATCH", "/admin/any", 200],
    ["POST", "/inner/run", 200],
    ["GET", "/admin", 404],
    ["GET", "/admin/missing", 404],
    ["DELETE", "/inner", 404],
  ])("%s %s is %i", async (method, path, status) => {
    const reply = await ask(path, method);
    expect(reply.status).toBe(status);
    expect(reply.headers.get("allow")).toBeNull();
  });

  it("names the path of a route that there is not as it came", async () => {
    const reply = await ask("/v1/%63hat/completions", "POST");
    expect(reply.status).toBe(404);
    expect(await reply.json()).toMatchObject({
      error: { message: "No route POST /v1/%63hat/completions" },
    });
  });

  it.each([
    ["DELETE", "/admin/keys", ["GET", "HEAD", "POST"]],
    ["OPTIONS", "/admin/keys", ["GET", "HEAD", "POST"]],
    ["GET", "/admin/keys/7", ["DELETE"]],
    ["GET", "/admin/keys/fixed", ["DELETE", "PUT"]],
    ["PUT", "/admin/pages/reset", ["GET", "HEAD", "POST"]],
    ["PUT", "/admin/pages/other", ["GET", "HEAD"]],
    ["GET", "/inner/run", ["POST"]],
  ])("%s %s is 405, with the methods that it has", async (method, path, allowed) => {
    const reply = await ask(path, method);
    expect(reply.status).toBe(405);
    expect(reply.headers.get("allow")!.split(", ").toSorted()).toEqual(allowed);
    expect(reply.headers.get("x-request-id")).toMatch(/\S/);
    const allow = reply.headers.get("allow")!;
    expect(await reply.json()).toMatchObject({
      error: { code: "method_not_allowed", message: `${method} is not allowed here, only ${allow}` },
    });
  });

  it("a front door of a plugin says it in its own shape", async () => {
    const reply = await ask("/v1/messages", "PUT");
    expect(reply.status).toBe(405);
    expect(reply.headers.get("allow")).toBe("POST");
    const id = reply.headers.get("x-request-id");
    expect(reply.headers.get("request-id")).toBe(id);
    expect(await reply.json()).toMatchObject({
      type: "error",
      error: {
        message: "PUT is not allowed here, only POST",
        details: { error_code: "method_not_allowed" },
      },
      request_id: id,
    });
  });
});
