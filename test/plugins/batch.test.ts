import { apiKeys } from "@gatewright/api-keys";
import { batch } from "@gatewright/batch";
import { concurrency } from "@gatewright/concurrency";
import { rateLimit } from "@gatewright/rate-limit";
import { defineGatewayPlugin, when, type Plugin } from "gatewright";
import * as v from "valibot";
import { afterEach, describe, expect, it } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { findFaults } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "batch", factory: "batch", create: () => batch() });

const KEY = "sk-batch-0123456789abcdefghijklm";
const CHAT = "/v1/chat/completions";

interface Item {
  id?: unknown;
  endpoint?: unknown;
  body?: unknown;
}

interface Answered {
  id: string;
  status: number;
  body: { error?: { code: string; param: string | null }; model?: string };
}

interface Seen {
  id: string;
  operation: string;
  client: string;
}

/** Notes every request that passes its place in the chain. */
function watch(seen: Seen[], name = "watch"): Plugin {
  return defineGatewayPlugin({
    name,
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware: (ctx, next) => {
        seen.push({ id: ctx.id, operation: ctx.operation.name, client: ctx.request.clientAddress });
        return next();
      },
    }),
  })();
}

/** Counts what runs at once behind it. */
function createGauge(): { plugin: Plugin; most(): number } {
  let running = 0;
  let most = 0;
  const plugin = defineGatewayPlugin({
    name: "gauge",
    options: v.strictObject({}),
    setup: () => ({
      middleware: (ctx, next) => {
        most = Math.max(most, ++running);
        ctx.onFinished(() => running--);
        return next();
      },
    }),
  })();
  return { plugin, most: () => most };
}

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function start(
  plugins: unknown[] = [batch()],
  config: Record<string, unknown> = {},
): Promise<{ backend: SimulatedBackend; gateway: TestGateway }> {
  const backend = await startSimulatedBackend({ dialect: "openai", models: ["m"] });
  const gateway = await startTestGateway({
    backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: ["m"] } },
    plugins,
    ...config,
  });
  closing.push(backend.close, gateway.close);
  return { backend, gateway };
}

function post(
  gateway: TestGateway,
  body: unknown,
  init: RequestInit & { path?: string } = {},
): Promise<Response> {
  return fetch(`${gateway.url}/v1/batch${init.path ?? ""}`, {
    ...init,
    method: "POST",
    headers: { "content-type": "application/json", ...init.headers },
    body: JSON.stringify(body),
  });
}

async function answersTo(
  ...[gateway, items, init]: [TestGateway, Item[], RequestInit?]
): Promise<Answered[]> {
  const reply = await post(gateway, { requests: items }, init);
  expect(reply.status).toBe(200);
  return ((await reply.json()) as { responses: Answered[] }).responses;
}

function chat(id: string, fields: object = {}): Item {
  return { id, endpoint: CHAT, body: { model: "m", messages: [{ role: "user", content: id }], ...fields } };
}

describe("a batch", () => {
  it("in-13: answers a good and a bad request with 200 and 400, in their order", async () => {
    const { gateway } = await start();
    const answers = await answersTo(gateway, [chat("good"), chat("bad", { messages: 7 })]);
    expect(answers.map(({ id, status }) => [id, status])).toEqual([
      ["good", 200],
      ["bad", 400],
    ]);
    expect(answers[0]!.body.model).toBe("m");
    expect(answers[1]!.body.error).toMatchObject({ code: "invalid_request", param: "messages" });
  });

  it("in-13: keeps the order of 100 requests of which the first are the slowest, 10 at a time", async () => {
    const running = createGauge();
    const { backend, gateway } = await start([batch(), running.plugin]);
    let arrived = 0;
    backend.faults = () => ({ kind: "delay", ms: Math.max(0, 100 - 10 * arrived++) });
    const ids = Array.from({ length: 100 }, (_, index) => String(index));
    const answers = await answersTo(
      gateway,
      ids.map((id) => chat(id)),
    );
    expect(answers.map(({ id }) => id)).toEqual(ids);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(running.most()).toBe(10);
  });

  it("mixes operations", async () => {
    const { gateway } = await start();
    const answers = await answersTo(gateway, [
      chat("chat"),
      { id: "embed", endpoint: "/v1/embeddings", body: { model: "m", input: "x" } },
      { id: "rank", endpoint: "/v1/rerank", body: { model: "m", query: "x", documents: ["y"] } },
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it.each<[string, unknown, string]>([
    ["no requests", {}, "requests"],
    ["requests that are no list", { requests: "x" }, "requests"],
    ["an empty list", { requests: [] }, "requests"],
    ["101 requests", { requests: Array.from({ length: 101 }, (_, n) => chat(String(n))) }, "requests"],
    ["a request without an id", { requests: [{ ...chat("x"), id: undefined }] }, "requests[0].id"],
    ["an id that is no text", { requests: [{ ...chat("x"), id: 1 }] }, "requests[0].id"],
    ["an entry that is no object", { requests: [null] }, "requests[0].id"],
    ["an id that stands twice", { requests: [chat("x"), chat("y"), chat("x")] }, "requests[2].id"],
  ])("in-13: is refused whole for %s, and nothing goes upstream", async (_, body, param) => {
    const { backend, gateway } = await start();
    const reply = await post(gateway, body);
    expect(reply.status).toBe(400);
    expect(await reply.json()).toMatchObject({ error: { param } });
    expect(backend.requests).toHaveLength(0);
  });

  it.each<[string, Item, number, string]>([
    ["stream: true", chat("x", { stream: true }), 400, "stream"],
    [
      "a stream where the operation has none",
      { endpoint: "/v1/embeddings", body: { model: "m", input: "x", stream: true } },
      400,
      "stream",
    ],
    ["an unknown endpoint", { endpoint: "/v1/nothing", body: {} }, 404, "endpoint"],
    [
      "an endpoint that is no path",
      { endpoint: "http://elsewhere/v1/chat/completions", body: {} },
      400,
      "endpoint",
    ],
    ["an endpoint with a query", { endpoint: `${CHAT}?a=1`, body: {} }, 400, "endpoint"],
    ["a form", { endpoint: "/v1/audio/transcriptions", body: {} }, 400, "endpoint"],
    ["a reply that is no JSON", { endpoint: "/v1/audio/speech", body: {} }, 400, "endpoint"],
    ["a batch", { endpoint: "/v1/batch", body: {} }, 400, "endpoint"],
    ["a body that is no object", { endpoint: CHAT, body: [] }, 400, "body"],
    ["no body", { endpoint: CHAT }, 400, "body"],
  ])("in-13: answers %s in its place, and runs the others", async (_, item, status, param) => {
    const { backend, gateway } = await start();
    const answers = await answersTo(gateway, [chat("before"), { ...item, id: "odd" }, chat("after")]);
    expect(answers.map((answer) => answer.status)).toEqual([200, status, 200]);
    expect(answers[1]!.body.error!.param).toBe(param);
    expect(backend.requests).toHaveLength(2);
  });

  it("ends what it runs when the client leaves", async () => {
    const { backend, gateway } = await start();
    backend.faults = () => ({ kind: "no_answer" });
    const controller = new AbortController();
    const reply = post(
      gateway,
      { requests: [chat("a"), chat("b"), chat("c")] },
      { signal: controller.signal },
    );
    await waitFor("the requests", () => backend.requests.length === 3);
    controller.abort();
    await expect(reply).rejects.toThrow();
    await waitFor("the end of all", () => gateway.server.gateway.active === 0, 1_000);
    expect(backend.requests).toHaveLength(3);
  });

  it("starts nothing more when the client has left", async () => {
    const { backend, gateway } = await start([batch({ concurrency: 1 })]);
    backend.faults = () => ({ kind: "no_answer" });
    const controller = new AbortController();
    const reply = post(gateway, { requests: [chat("a"), chat("b")] }, { signal: controller.signal });
    await waitFor("the first request", () => backend.requests.length === 1);
    controller.abort();
    await expect(reply).rejects.toThrow();
    await waitFor("the end", () => gateway.server.gateway.active === 0);
    expect(backend.requests).toHaveLength(1);
  });

  it("has no deadline of its own: each of its requests has", async () => {
    const { backend, gateway } = await start([batch({ concurrency: 1 })], { timeouts: { totalMs: 400 } });
    backend.faults = () => ({ kind: "delay", ms: 150 });
    const answers = await answersTo(
      gateway,
      ["a", "b", "c", "d"].map((id) => chat(id)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it("is 413 beyond the limit of JSON bodies, and nothing goes upstream", async () => {
    const { backend, gateway } = await start(undefined, { server: { limits: { jsonBytes: 2_000 } } });
    const reply = await post(gateway, { requests: [chat("x".repeat(1_900))] });
    expect(reply.status).toBe(413);
    expect(backend.requests).toHaveLength(0);
  });

  it("puts an error in the place of replies beyond maxReplyBytes", async () => {
    const { gateway: measured } = await start();
    const [whole] = await answersTo(measured, [chat("a")]);
    const maxReplyBytes = Math.round(2.5 * JSON.stringify(whole!.body).length);
    const { gateway } = await start([batch({ concurrency: 1, maxReplyBytes })]);
    const answers = await answersTo(
      gateway,
      ["a", "b", "c", "d"].map((id) => chat(id)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 502, 502]);
    expect(answers.at(-1)!.body.error!.code).toBe("batch_reply_too_large");
  });

  it("counts bytes of replies, not characters", async () => {
    const body = JSON.stringify({ said: "語".repeat(100) });
    const speaker = defineGatewayPlugin({
      name: "speaker",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async () => ({ status: 200, headers: { "content-type": "application/json" }, body }),
      }),
    })();
    // Of three bytes each: a second reply has no room, though its characters would.
    const maxReplyBytes = 600;
    const { gateway } = await start([batch({ concurrency: 1, maxReplyBytes }), speaker]);
    const answers = await answersTo(gateway, [chat("a"), chat("b")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 502]);
  });
});

describe("its way through the chain", () => {
  it("in-13: is that of its requests, which bring the caller's credential, query and address, and ids of their own", async () => {
    const seen: Seen[] = [];
    const { gateway } = await start([
      apiKeys({ keys: [{ id: "app", key: KEY }], queryKeys: true }),
      batch(),
      watch(seen),
    ]);
    const items = [chat("a"), chat("b")];
    await answersTo(gateway, items, { headers: { authorization: `Bearer ${KEY}`, "x-request-id": "mine" } });
    await answersTo(gateway, items, { headers: { "x-api-key": KEY } });
    const reply = await post(gateway, { requests: items }, { path: `?key=${KEY}` });
    expect(reply.status).toBe(200);
    expect(seen.map(({ operation }) => operation)).toEqual(Array.from({ length: 6 }, () => "chat"));
    expect(new Set(seen.map(({ client }) => client))).toEqual(new Set(["127.0.0.1"]));
    expect(new Set(seen.map(({ id }) => id)).size).toBe(6);
    expect(
      seen
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(["mine:0", "mine:1"]);
  });

  it("asks for a key of the scope batch, and for each request's own", async () => {
    const { gateway } = await start([
      apiKeys({
        keys: [
          { id: "both", key: `${KEY}-both`, scopes: ["batch", "chat"] },
          { id: "chat", key: `${KEY}-chat`, scopes: ["chat"] },
        ],
      }),
      batch(),
    ]);
    const embed = { id: "e", endpoint: "/v1/embeddings", body: { model: "m", input: "x" } };
    const headers = { authorization: `Bearer ${KEY}-both` };
    const answers = await answersTo(gateway, [chat("c"), embed], { headers });
    expect(answers.map(({ status }) => status)).toEqual([200, 403]);
    const refused = await post(
      gateway,
      { requests: [chat("c")] },
      { headers: { "x-api-key": `${KEY}-chat` } },
    );
    expect(refused.status).toBe(403);
    expect((await post(gateway, { requests: [chat("c")] })).status).toBe(401);
  });

  it("in-13: limits count each of its requests, and not the batch", async () => {
    const { gateway } = await start([
      apiKeys({ keys: [{ id: "app", key: KEY }] }),
      rateLimit({ algorithm: "sliding-window", rate: 3, per: "day" }),
      batch({ concurrency: 1 }),
    ]);
    const headers = { authorization: `Bearer ${KEY}` };
    const answers = await answersTo(gateway, [chat("a"), chat("b", { messages: 7 })], { headers });
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
    const more = await answersTo(gateway, [chat("c"), chat("d")], { headers });
    expect(more.map(({ status }) => status)).toEqual([200, 429]);
  });

  it("takes no slot that its requests wait for", async () => {
    const { gateway } = await start([concurrency({ maxConcurrent: 1, queue: {} }), batch()]);
    const answers = await answersTo(
      gateway,
      ["a", "b", "c"].map((id) => chat(id)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it("passes a plugin whose condition names it", async () => {
    const seen: Seen[] = [];
    const { gateway } = await start([batch(), when({ operations: ["batch"] }, watch(seen))]);
    await answersTo(gateway, [chat("a")]);
    expect(seen.map(({ operation }) => operation)).toEqual(["batch"]);
  });

  it("in-13: leaves a line in the log for each of its requests and one for itself", async () => {
    const { gateway } = await start();
    await answersTo(gateway, [chat("a"), chat("b")]);
    const operations = await waitFor("three lines", () => {
      const lines = gateway.lines.flatMap((text) => text.trim().split("\n"));
      const requests = lines.map((line) => JSON.parse(line) as { message: string; operation: string });
      const found = requests.filter(({ message }) => message === "request").map(({ operation }) => operation);
      return found.length === 3 ? found : undefined;
    });
    expect(operations.toSorted()).toEqual(["batch", "chat", "chat"]);
  });
});

describe("options", () => {
  it.each([
    ["maxRequests", { maxRequests: 0 }],
    ["concurrency", { concurrency: 1.5 }],
    ["maxReplyBytes", { maxReplyBytes: 0 }],
  ])("refuses %s in %j", (path, options) => {
    expect(findFaults(batch(options)).map((fault) => fault.path)).toEqual([path]);
  });
});
