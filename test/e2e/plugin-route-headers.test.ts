import { anthropicApi } from "@gatewright/anthropic-api";
import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { startPair, type Pair, type RawReply } from "./_downstream.ts";

/** What ends the first reply early and begins one of the plugin's making, for whoever believes its length. */
const SMUGGLED = "okHTTP/1.1 200 OK\r\nContent-Length: 4\r\nx-forged: yes\r\n\r\nevil";

const HOP_BY_HOP = {
  connection: "keep-alive, x-own",
  "keep-alive": "timeout=900",
  "proxy-connection": "keep-alive",
  te: "trailers",
  trailer: "x-late",
  upgrade: "h2c",
};

const careless = defineGatewayPlugin({
  name: "careless",
  options: v.strictObject({}),
  setup: () => ({
    routes(app) {
      app.get("/raw/short", () => new Response(SMUGGLED, { headers: { "content-length": "2" } }));
      app.get("/raw/long", () => new Response("ok", { headers: { "content-length": "200" } }));
      app.get(
        "/raw/chunked",
        () =>
          new Response("0\r\n\r\n", { headers: { "transfer-encoding": "chunked", "content-length": "5" } }),
      );
      app.get("/raw/hops", () => new Response("ok", { headers: { ...HOP_BY_HOP, "x-own": "kept" } }));
      app.get("/raw/event", (event) => {
        event.res.headers.set("content-length", "2");
        event.res.headers.set("connection", "upgrade");
        event.res.headers.append("set-cookie", "a=1");
        event.res.headers.append("set-cookie", "b=2");
        return SMUGGLED;
      });
      app.get("/raw/id", () => new Response("ok", { headers: { "x-request-id": "theirs" } }));
      app.get("/raw/redirect", () => Response.redirect("http://else.test/", 302));
      app.get("/raw/no-content", (event) => {
        event.res.status = 204;
        return SMUGGLED;
      });
      app.get("/raw/interim", (event) => {
        event.res.status = 103;
        return "ok";
      });
      app.get("/raw/error", () => Response.error());
      app.get("/raw/throws", () => {
        throw new Error("no");
      });
    },
  }),
});

let pair: Pair;
beforeAll(async () => {
  pair = await startPair({ plugins: [anthropicApi(), careless()] });
});
afterAll(() => pair[Symbol.asyncDispose]());

/** Two requests on one connection: what the first reply is, and that the second is the gateway's own, whole. */
async function ask(path: string, method = "GET", id = "asked-1"): Promise<RawReply> {
  const client = await connectRaw(pair.gateway.url);
  const headers = { "x-request-id": id };
  await client.send(requestText(method, path, { headers }) + requestText("GET", "/livez"));
  const first = await readReply(client);
  const second = await readReply(client);
  client.destroy();
  expect(second.status).toBe(200);
  expect(second.headers["x-forged"]).toBeUndefined();
  expect(JSON.parse(String(second.body))).toEqual({ status: "ok" });
  return first;
}

describe("a reply of a plugin's own route", () => {
  it.each([
    ["/raw/short", SMUGGLED],
    ["/raw/long", "ok"],
    ["/raw/chunked", "0\r\n\r\n"],
    ["/raw/event", SMUGGLED],
  ])("is framed by the gateway, whatever it says of its length: %s", async (path, body) => {
    const reply = await ask(path);
    expect(reply.status).toBe(200);
    expect(String(reply.body)).toBe(body);
    expect(reply.headers["connection"]).not.toBe("upgrade");
  });

  it("says nothing of the connection, and keeps its other headers", async () => {
    const { headers } = await ask("/raw/hops");
    expect(headers["x-own"]).toBe("kept");
    for (const [name, value] of Object.entries(HOP_BY_HOP)) expect(headers[name]).not.toBe(value);
    for (const name of ["proxy-connection", "te", "trailer", "upgrade"])
      expect(headers[name]).toBeUndefined();
  });

  it("keeps each of several cookies", async () => {
    const { head } = await ask("/raw/event");
    expect(head.match(/^set-cookie: .*$/gim)).toEqual(["set-cookie: a=1", "set-cookie: b=2"]);
  });

  it.each([
    "/raw/id",
    "/raw/redirect",
    "/raw/no-content",
    "/raw/interim",
    "/raw/error",
    "/raw/throws",
    "/nosuch",
  ])("has the id of the request, once: %s", async (path) => {
    const { head } = await ask(path);
    expect(head.match(/^x-request-id: .*$/gim)).toEqual(["x-request-id: asked-1"]);
  });

  it("has no body where its status has none", async () => {
    const reply = await ask("/raw/no-content");
    expect(reply.status).toBe(204);
  });

  it.each(["/raw/interim", "/raw/error"])(
    "is 500 in the gateway's words where HTTP has no such reply: %s",
    async (path) => {
      const reply = await ask(path);
      expect(reply.status).toBe(500);
      expect(JSON.parse(String(reply.body))).toMatchObject({ error: { code: "internal_error" } });
    },
  );

  it("an error tells the same id in its body and in its headers", async () => {
    const reply = await ask("/v1/messages/nosuch", "POST", "");
    const { request_id: id } = JSON.parse(String(reply.body)) as { request_id: string };
    expect(id).toBe(reply.headers["x-request-id"]);
    expect(id).toBe(reply.headers["request-id"]);
  });

  it("is the same for other runtimes", async () => {
    const { fetch } = pair.gateway.server.gateway;
    const reply = await fetch(
      new Request(`${pair.gateway.url}/raw/hops`, { headers: { "x-request-id": "asked-2" } }),
    );
    expect(reply.headers.get("x-request-id")).toBe("asked-2");
    expect(reply.headers.get("x-own")).toBe("kept");
    for (const name in HOP_BY_HOP) expect(reply.headers.get(name)).toBeNull();
    const short = await fetch(new Request(`${pair.gateway.url}/raw/short`));
    expect(short.headers.get("content-length")).toBeNull();
    expect(await short.text()).toBe(SMUGGLED);
  });
});
