/** Replies of a plugin's own: what HTTP cannot carry, and what is the gateway's to say. */
import { defineGatewayPlugin, discardReply, GatewayError } from "gatewright";
import type { BodySink, Middleware, Reply } from "gatewright";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply, requestText } from "../_support/raw-client.ts";
import { chatBody, chatStream, simulated, stageBefore } from "./_stage.ts";

async function gatewayWith(middleware: Middleware) {
  const plugin = defineGatewayPlugin({
    name: "careless",
    options: v.strictObject({}),
    setup: () => ({ middleware }),
  });
  const gateway = await startTestGateway({
    backends: { only: { adapter: "openai", baseURL: "http://127.0.0.1:9/v1", models: ["m"] } },
    plugins: [plugin()],
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

/** A gateway whose plugin answers with this, whatever the types say of it. */
const answering = (reply: unknown) => gatewayWith(() => Promise.resolve(reply as Reply));

const init = { method: "POST", headers: { "content-type": "application/json" }, body: "" };
init.body = JSON.stringify(chatBody({ model: "m" }));

type Ask = (gateway: Awaited<ReturnType<typeof gatewayWith>>) => Promise<Response>;
const WAYS: [string, Ask][] = [
  ["on Node", ({ url }) => fetch(`${url}/v1/chat/completions`, init)],
  [
    "on web runtimes",
    ({ server }) => server.gateway.fetch(new Request("http://gateway.test/v1/chat/completions", init)),
  ],
];

/** Status line, headers and body as they went over the wire, and what came behind them on the same connection. */
async function askRaw(url: string, method = "POST") {
  const client = await connectRaw(url);
  onTestFinished(() => client.destroy());
  const text = requestText(method, "/v1/chat/completions", init);
  await client.send(text + requestText("GET", "/nowhere"));
  const reply = await readReply(client);
  return { ...reply, next: await readReply(client) };
}

/** A stream that gives these chunks as soon as it is started. */
const streamOf = (...chunks: unknown[]): unknown => ({
  start(sink: BodySink) {
    for (const chunk of chunks) sink.data(chunk as Uint8Array);
    sink.end();
  },
  pause() {},
  resume() {},
  cancel() {},
});

describe.each(WAYS)("a reply that HTTP cannot carry, %s", (_, ask) => {
  const whole = { status: 200, headers: {}, body: "" };
  it.each<[string, unknown, RegExp]>([
    ["an object for a body", { ...whole, body: { a: 1 } }, /body .* got an Object/],
    ["a list for a body", { ...whole, body: [1] }, /body .* got an Array/],
    ["a number for a body", { ...whole, body: 5 }, /body .* got 5/],
    ["a date for a body", { ...whole, body: new Date(0) }, /body .* got a Date/],
    ["a web stream for a body", { ...whole, body: new ReadableStream() }, /body .* got a ReadableStream/],
    ["a promise for a body", { ...whole, body: Promise.resolve("") }, /body .* got a Promise/],
    ["half a stream for a body", { ...whole, body: { start() {} } }, /body .* got an Object/],
    ["status 42", { ...whole, status: 42 }, /status .* got 42/],
    ["status 99", { ...whole, status: 99 }, /status .* got 99/],
    ["status 100", { ...whole, status: 100 }, /status .* got 100/],
    ["status 101", { ...whole, status: 101 }, /status .* got 101/],
    ["status 600", { ...whole, status: 600 }, /status .* got 600/],
    ["status 1000", { ...whole, status: 1000 }, /status .* got 1000/],
    ["a text for a status", { ...whole, status: "200" }, /status .* got a string/],
    ["a bad status of a stream", { ...whole, status: 0, body: streamOf("a") }, /status .* got 0/],
    ["no headers", { status: 200, body: "" }, /headers .* got undefined/],
    ["a web response", new Response("hi"), /body .* got a ReadableStream/],
    ["nothing", undefined, /a reply .* got undefined/],
  ])("is 500, and told to the log: %s", async (_, reply, told) => {
    const gateway = await answering(reply);
    const response = await ask(gateway);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "internal_error" } });
    expect(response.headers.get("x-request-id")).toBeTruthy();
    const line = gateway.lines.find((text) => text.includes("failed inside the gateway"));
    expect(line).toMatch(told);
  });

  it.each([
    ["status 42", { status: 42 }, /status .* got 42/],
    ["a header without a name", { headers: { "no name": "x" } }, /expected the name of a header/],
  ])("is 500, and told to the log, also of an error: %s", async (_, options, told) => {
    const gateway = await gatewayWith(() => Promise.reject(new GatewayError("ip_not_allowed", options)));
    const response = await ask(gateway);
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "internal_error" } });
    expect(gateway.lines.join("")).toMatch(told);
  });

  it("lets go of a stream that is not sent", async () => {
    let cancelled = 0;
    const body = { ...(streamOf("a") as object), cancel: () => cancelled++ };
    await (await ask(await answering({ status: 1000, headers: {}, body }))).text();
    expect(cancelled).toBe(1);
  });

  it("breaks off a stream that throws, or gives what is no bytes", async () => {
    for (const body of [
      streamOf(Buffer.from("a"), { b: 1 }),
      { ...(streamOf() as object), start: () => void JSON.parse("{") },
    ]) {
      const gateway = await answering({ status: 200, headers: {}, body });
      await expect(ask(gateway).then((response) => response.text())).rejects.toThrow();
      expect(gateway.lines.join("")).toContain("failed inside the gateway");
    }
  });

  it("takes a reply without a body for an empty one", async () => {
    const response = await ask(await answering({ status: 201, headers: {} }));
    expect([response.status, await response.text()]).toEqual([201, ""]);
  });

  it.each([204, 205, 304])(
    "sends %i without the body that it was given (RFC 9110, section 15)",
    async (status) => {
      let cancelled = 0;
      const stream = { ...(streamOf(Buffer.from("{}")) as object), cancel: () => cancelled++ };
      for (const body of ["{}", Buffer.from("{}"), stream]) {
        const response = await ask(await answering({ status, headers: {}, body }));
        expect([response.status, await response.text()]).toEqual([status, ""]);
      }
      expect(cancelled).toBe(1);
    },
  );
});

describe("framing headers of a plugin's reply", () => {
  const FRAMING = {
    "Content-Length": "3",
    "Transfer-Encoding": "chunked",
    Connection: "keep-alive, x-secret",
    "keep-alive": "timeout=999",
    "Proxy-Connection": "keep-alive",
    upgrade: "h2c",
    trailer: "x-later",
    TE: "trailers",
    "X-Request-ID": "mine",
  };
  const ABSENT = ["proxy-connection", "upgrade", "trailer", "te"];

  it("stay the gateway's own, whichever way a plugin names them", async () => {
    const bodies = [
      () => "hello",
      () => Buffer.from("hello"),
      () => streamOf(Buffer.from("hel"), Buffer.from("lo")),
    ];
    for (const body of bodies) {
      for (const set of [true, false]) {
        const gateway = await gatewayWith((ctx) => {
          if (set) for (const [name, value] of Object.entries(FRAMING)) ctx.setReplyHeader(name, value);
          const headers = { "X-Kept": "1", ...(!set && FRAMING) };
          return Promise.resolve({ status: 200, headers, body: body() } as Reply);
        });
        const { head, headers, body: sent, next } = await askRaw(gateway.url);
        expect(String(sent)).toBe("hello");
        expect(head.match(/^(?:content-length|transfer-encoding):/gim)).toHaveLength(1);
        expect(head.match(/^x-request-id:/gim)).toHaveLength(1);
        expect(headers["x-request-id"]).not.toBe("mine");
        expect(headers["x-kept"]).toBe("1");
        expect(headers["connection"]).not.toContain("x-secret");
        expect(head).not.toContain("999");
        for (const name of ABSENT) expect(headers).not.toHaveProperty(name);
        expect(next.status).toBe(404);
      }
    }
  });

  it("stay the gateway's own in errors", async () => {
    const gateway = await gatewayWith((ctx) => {
      for (const [name, value] of Object.entries(FRAMING)) ctx.setReplyHeader(name, value);
      throw new Error("failed");
    });
    const { status, head, headers, next } = await askRaw(gateway.url);
    expect(status).toBe(500);
    expect(head.match(/^(?:content-length|transfer-encoding):/gim)).toHaveLength(1);
    expect(headers["x-request-id"]).not.toBe("mine");
    expect(next.status).toBe(404);
  });

  it("stay the gateway's own on web runtimes", async () => {
    const gateway = await answering({ status: 200, headers: FRAMING, body: "hello" });
    const { headers } = await WAYS[1]![1](gateway);
    expect(headers.get("x-request-id")).not.toContain("mine");
    for (const name of Object.keys(FRAMING))
      if (name !== "X-Request-ID") expect(headers.get(name), name).toBeNull();
  });

  it("counts a header once that the reply has in another case than `setReplyHeader`", async () => {
    const gateway = await gatewayWith((ctx) => {
      ctx.setReplyHeader("X-Mine", "set");
      return Promise.resolve({ status: 200, headers: { "X-MINE": "replied" }, body: "" });
    });
    expect((await askRaw(gateway.url)).headers["x-mine"]).toBe("set");
  });
});

describe("a status without a body", () => {
  it.each([204, 304])("%i goes out with no length (RFC 9110, section 8.6)", async (status) => {
    for (const body of ["{}", null, streamOf(Buffer.from("{}"))]) {
      const gateway = await answering({ status, headers: {}, body });
      const { head, next } = await askRaw(gateway.url);
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(head).not.toMatch(/^(?:content-length|transfer-encoding):/im);
      expect(next.status).toBe(404);
    }
  });

  it("205 says that there is nothing", async () => {
    const { headers, next } = await askRaw((await answering({ status: 205, headers: {}, body: "{}" })).url);
    expect(headers["content-length"]).toBe("0");
    expect(next.status).toBe(404);
  });
});

it("names the status that was sent, also of a reply that could not be written at first", async () => {
  const headers = { "x-bad": "line\r\nbreak\0", "not a name": "x" };
  const { head } = await askRaw((await answering({ status: 200, headers, body: "" })).url);
  expect(head).toMatch(/^HTTP\/1.1 500 Internal Server Error\r\n/);
});

it("closes the call behind a reply that a plugin does not pass on, which counts as given up", async () => {
  const backend = await simulated({ faults: [{ kind: "stall", afterEvents: 4 }] });
  const replacing = defineGatewayPlugin({
    name: "replacing",
    options: v.strictObject({}),
    setup: () => ({
      middleware: async (_ctx, next) => {
        discardReply(await next());
        return { status: 200, headers: {}, body: "its own" };
      },
    }),
  });
  const stage = await stageBefore(backend, { plugins: [replacing()] });
  expect(await chatStream(stage)).toBe("its own");
  await backend.requests[0]!.closed;
  expect(backend.requests[0]!.aborted).toBe(true);
  const end = await stage.ended();
  expect(end.outcome).toBe("complete");
  expect(end.attempts.map(({ outcome }) => outcome)).toEqual(["cancelled"]);
  expect(stage.inFlight()).toBe(0);
});
