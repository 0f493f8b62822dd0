import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { concurrency } from "@gatewright/concurrency";
import { fallback } from "@gatewright/fallback";
import { hedge } from "@gatewright/hedge";
import { rateLimit } from "@gatewright/rate-limit";
import { responsesStore } from "@gatewright/responses-store";
import { retry } from "@gatewright/retry";
import { timeout } from "@gatewright/timeout";
import { defineGatewayPlugin } from "gatewright";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedis, type TestRedis } from "../_support/redis.ts";
import {
  chatOnly,
  lastMessages,
  MODEL,
  native,
  ollama,
  simulatedChat,
  stageOf,
  startAccount,
  textOf,
  type Body,
  type ResponsesStage,
} from "./_responses/stage.ts";

const weather = {
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

async function expectNotFound(response: Response): Promise<void> {
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
}

describe("responses before a backend that has chat alone", () => {
  let redis: TestRedis;
  let dir: string;
  beforeAll(async () => {
    redis = await startRedis();
    dir = await mkdtemp(join(tmpdir(), "gatewright-responses-"));
  });
  afterAll(async () => {
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const states: readonly [string, () => Record<string, unknown>][] = [
    ["memory", () => ({ driver: "memory" })],
    ["file", () => ({ driver: "file", dir })],
    ["redis", () => ({ driver: "redis", url: redis.url })],
  ];

  it.each(states)("go on from one another, whole and streamed, with state in %s", async (_name, stateOf) => {
    const backend = await simulatedChat();
    const stage = await stageOf({ main: chatOnly(backend) }, [responsesStore()], { state: stateOf() });
    const first = await stage.ask({ input: "One", instructions: "Be brief" });
    expect(first).toMatchObject({ store: true, previous_response_id: null });

    const events = await stage.stream({ input: "Two", previous_response_id: first["id"] });
    const second = events.at(-1)!["response"] as Body;
    expect(events.filter((event) => "response" in event)).toEqual(
      ["response.created", "response.in_progress", "response.completed"].map((type) =>
        expect.objectContaining({
          type,
          response: expect.objectContaining({ store: true, previous_response_id: first["id"] }) as unknown,
        }),
      ),
    );
    // The instructions of the one before are not inherited.
    expect(lastMessages(backend)).toEqual([
      { role: "user", content: "One" },
      { role: "assistant", content: textOf(first) },
      { role: "user", content: "Two" },
    ]);

    const third = await stage.ask({ input: "Three", previous_response_id: second["id"] });
    expect(lastMessages(backend).map(({ content }) => content)).toEqual([
      "One",
      textOf(first),
      "Two",
      textOf(second),
      "Three",
    ]);

    for (const response of [first, second, third]) {
      const found = await stage.call("GET", `/${String(response["id"])}`);
      expect(found.status).toBe(200);
      expect(await found.json()).toEqual(response);
    }
  });

  async function storing(options?: object): Promise<{
    stage: ResponsesStage;
    backend: Awaited<ReturnType<typeof simulatedChat>>;
  }> {
    const backend = await simulatedChat();
    return { backend, stage: await stageOf({ main: chatOnly(backend) }, [responsesStore(options)]) };
  }

  it("go on with the result of a tool alone", async () => {
    const { stage, backend } = await storing();
    const asked = await stage.ask({ input: "How is the weather?", tools: [weather] });
    const [call] = asked["output"] as { call_id: string; arguments: string }[];
    const result = { type: "function_call_output", call_id: call!.call_id, output: "18 degrees" };
    await stage.ask({ input: [result], tools: [weather], previous_response_id: asked["id"] });
    expect(lastMessages(backend).slice(1)).toMatchObject([
      { role: "assistant", tool_calls: [{ id: call!.call_id, function: { arguments: call!.arguments } }] },
      { role: "tool", tool_call_id: call!.call_id, content: "18 degrees" },
    ]);
  });

  it("bring thoughts along, and items that are only referred to", async () => {
    const backend = await simulatedChat("ollama");
    const stage = await stageOf({ main: ollama(backend) }, [responsesStore()]);
    const first = await stage.ask({ input: "One", reasoning: { effort: "low" } });
    const [thought, message] = first["output"] as { id: string; type: string }[];
    expect(thought).toMatchObject({ type: "reasoning" });
    const input = [
      { role: "user", content: "One" },
      { type: "item_reference", id: thought!.id },
      { type: "item_reference", id: message!.id },
      { role: "user", content: "Two" },
    ];
    await stage.ask({ input });
    expect(lastMessages(backend)).toMatchObject([
      { role: "user", content: "One" },
      { role: "assistant", content: textOf(first), thinking: expect.stringMatching(/./) as string },
      { role: "user", content: "Two" },
    ]);
    for (const id of [message!.id.replace(/_\d+$/, "_9"), "msg_none_0"])
      await expectNotFound(
        await stage.call("POST", "", { model: MODEL, input: [{ type: "item_reference", id }] }),
      );
  });

  it("list in full what their input says in short", async () => {
    const { stage } = await storing();
    const full = { type: "message", role: "user", content: [{ type: "input_text", text: "Four" }] };
    const call = { type: "function_call", call_id: "c1", name: "f", arguments: "{}" };
    const output = { type: "function_call_output", call_id: "c1", output: "x" };
    const input = [
      { role: "developer", content: "One" },
      { role: "user", content: "Two" },
      { role: "assistant", content: "Three" },
      call,
      output,
      full,
    ];
    const { id } = await stage.ask({ input });
    const reply = await stage.call("GET", `/${String(id)}/input_items?order=asc`);
    const { data } = (await reply.json()) as { data: unknown[] };
    const message = { type: "message", status: "completed", id: expect.stringMatching(/./) as string };
    const item = { id: message.id };
    expect(data).toEqual([
      { ...message, role: "developer", content: [{ type: "input_text", text: "One" }] },
      { ...message, role: "user", content: [{ type: "input_text", text: "Two" }] },
      {
        ...message,
        role: "assistant",
        content: [{ type: "output_text", text: "Three", annotations: [], logprobs: [] }],
      },
      { ...item, ...call },
      { ...item, ...output },
      { ...message, ...full },
    ]);
  });

  it("list their input, pages and order as asked for", async () => {
    const { stage } = await storing();
    const first = await stage.ask({ input: "One" });
    const second = await stage.ask({ input: "Two", previous_response_id: first["id"] });
    type Page = { data: { id: string; role?: string; content: unknown }[]; has_more: boolean };
    const list = async (query = ""): Promise<Page> => {
      const reply = await stage.call("GET", `/${String(second["id"])}/input_items${query}`);
      expect(reply.status).toBe(200);
      return (await reply.json()) as Page;
    };
    const all = await list("?order=asc");
    expect(all).toMatchObject({ object: "list", has_more: false });
    expect(all.data).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "One" }] },
      { type: "message", role: "assistant" },
      { type: "message", role: "user", content: [{ type: "input_text", text: "Two" }] },
    ]);
    expect(new Set(all.data.map(({ id }) => id)).size).toBe(3);
    expect((await list()).data).toEqual(all.data.toReversed());

    const page = await list("?limit=2");
    expect(page).toMatchObject({
      data: [all.data[2], all.data[1]],
      first_id: all.data[2]!.id,
      last_id: all.data[1]!.id,
      has_more: true,
    });
    expect(await list(`?after=${all.data[1]!.id}`)).toMatchObject({ data: [all.data[0]], has_more: false });
    for (const query of ["limit=0", "limit=101", "limit=x", "after=nobody"])
      expect((await stage.call("GET", `/${String(second["id"])}/input_items?${query}`)).status).toBe(400);
  });

  it("are gone once deleted, but what went on from them is whole", async () => {
    const { stage, backend } = await storing();
    const first = await stage.ask({ input: "One" });
    const second = await stage.ask({ input: "Two", previous_response_id: first["id"] });
    const path = `/${String(first["id"])}`;
    const deleted = await stage.call("DELETE", path);
    expect(await deleted.json()).toEqual({ id: first["id"], object: "response", deleted: true });
    await expectNotFound(await stage.call("GET", path));
    await expectNotFound(await stage.call("DELETE", path));
    const again = { model: MODEL, input: "a", previous_response_id: first["id"] };
    const refused = await stage.call("POST", "", again);
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({
      error: { code: "previous_response_not_found", param: "previous_response_id" },
    });
    await stage.ask({ input: "Three", previous_response_id: second["id"] });
    expect(lastMessages(backend)).toHaveLength(5);
  });

  it("cannot be cancelled or taken up as a stream, as they are over", async () => {
    const { stage } = await storing();
    const { id } = await stage.ask({ input: "One" });
    expect((await stage.call("POST", `/${String(id)}/cancel`)).status).toBe(400);
    expect((await stage.call("GET", `/${String(id)}?stream=true`)).status).toBe(400);
  });

  it.each([
    ["GET", "/resp_none"],
    ["GET", "/resp_none/input_items"],
    ["DELETE", "/resp_none"],
    ["POST", "/resp_none/cancel"],
    ["GET", "/resp_none/other"],
    ["GET", "/resp_none/cancel"],
    ["DELETE", "/resp_none/input_items"],
    ["POST", "/input_tokens"],
    ["GET", "/%2e%2e"],
    ["GET", "/"],
  ])("answer %s %s with 404", async (method, path) => {
    const { stage } = await storing();
    await expectNotFound(await stage.call(method, path));
  });

  it("are not kept when the client says so, or when they are too large", async () => {
    const { stage, backend } = await storing();
    const unstored = await stage.ask({ input: "One", store: false });
    expect(unstored["store"]).toBe(false);
    await expectNotFound(await stage.call("GET", `/${String(unstored["id"])}`));
    const reply = await stage.call("POST", "", { model: MODEL, input: "One", store: true });
    expect(reply.headers.get("x-gatewright-dropped")).toBeNull();
    expect(backend.requests.at(-1)!.json).not.toHaveProperty("store");

    const small = await storing({ maxBytes: 1_500 });
    const fits = await small.stage.ask({ input: "a" });
    expect(fits["store"]).toBe(true);
    const large = await small.stage.ask({ input: "a".repeat(1_500) });
    expect(large["store"]).toBe(false);
    await expectNotFound(await small.stage.call("GET", `/${String(large["id"])}`));
    const events = await small.stage.stream({ input: "a".repeat(1_500) });
    const streamed = events.at(-1)!["response"] as Body;
    expect(streamed["store"]).toBe(false);
    await expectNotFound(await small.stage.call("GET", `/${String(streamed["id"])}`));
  });

  it("are kept only when their stream was whole", async () => {
    const { stage, backend } = await storing();
    backend.faults = [{ kind: "cut", afterEvents: 2 }];
    const events = await stage.stream({ input: "One" });
    expect(events.at(-1)).toMatchObject({ type: "error" });
    const { id } = events[0]!["response"] as { id: string };
    await expectNotFound(await stage.call("GET", `/${id}`));
  });

  it("belong to the key that made them", async () => {
    const backend = await simulatedChat();
    const keys = ["one", "two"].map((id) => ({ id, key: `sk-${id}-0123456789abcdef` }));
    const stage = await stageOf({ main: chatOnly(backend) }, [apiKeys({ keys }), responsesStore()]);
    const [one, two] = keys.map(({ key }) => ({ authorization: `Bearer ${key}` }));
    const made = await stage.ask({ input: "Secret" }, one);
    const path = `/${String(made["id"])}`;
    expect((await stage.call("GET", path, undefined, one)).status).toBe(200);
    for (const [method, rest] of [
      ["GET", ""],
      ["GET", "/input_items"],
      ["POST", "/cancel"],
      ["DELETE", ""],
    ] as const)
      await expectNotFound(await stage.call(method, path + rest, undefined, two));
    const reference = (made["output"] as { id: string }[])[0]!.id;
    for (const stolen of [
      { input: "a", previous_response_id: made["id"] },
      { input: [{ type: "item_reference", id: reference }] },
    ])
      await expectNotFound(await stage.call("POST", "", { model: MODEL, ...stolen }, two));
    expect(backend.requests).toHaveLength(1);
    expect((await stage.call("GET", path)).status).toBe(401);
    expect((await stage.call("GET", path, undefined, one)).status).toBe(200);
  });

  it("answer all the same when the store is down, and say that they are not kept", async () => {
    const backend = await simulatedChat();
    const down = await startRedis();
    const stage = await stageOf({ main: chatOnly(backend) }, [responsesStore()], {
      state: { driver: "redis", url: down.url },
    });
    const first = await stage.ask({ input: "One" });
    await down.kill();
    expect((await stage.ask({ input: "Two" }))["store"]).toBe(false);
    const refused = await stage.call("POST", "", {
      model: MODEL,
      input: "Three",
      previous_response_id: first["id"],
    });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: "state_unavailable" } });
    await down.stop();
  });
});

describe("responses that a backend keeps itself", () => {
  const plugins = [
    retry({ baseDelayMs: 1, maxDelayMs: 1 }),
    fallback({ models: { [MODEL]: ["spare"] } }),
    responsesStore(),
    balancer(),
  ];

  async function twoAccounts() {
    const [a, b] = [await startAccount("a"), await startAccount("b")];
    const stage = await stageOf({ a: native(a), b: native(b) }, plugins, {
      models: { spare: { targets: [{ backend: "b", model: MODEL }] } },
    });
    /** Makes a response at account a, which may take several, as the balancer takes turns. */
    const makeAtA = async (body: Body = {}): Promise<Body> => {
      for (;;) {
        const made = await stage.ask({ input: "One", ...body });
        if (String(made["id"]).startsWith("resp_a")) return made;
      }
    };
    return { a, b, stage, makeAtA };
  }

  it("go on only where they live, and are never replayed elsewhere", async () => {
    const { a, b, stage, makeAtA } = await twoAccounts();
    const { id } = await makeAtA();
    b.seen.length = 0;
    for (let turn = 0; turn < 4; turn++) await stage.ask({ input: "Two", previous_response_id: id });
    a.failures.push(503);
    const failed = await stage.call("POST", "", { model: MODEL, input: "Two", previous_response_id: id });
    expect(failed.status).toBeGreaterThanOrEqual(500);
    expect(b.seen).toEqual([]);
  });

  it("are asked for, listed, cancelled and deleted where they live", async () => {
    const { a, b, stage, makeAtA } = await twoAccounts();
    const made = await makeAtA({ background: true });
    const path = `/${String(made["id"])}`;
    a.seen.length = b.seen.length = 0;
    const got = await stage.call("GET", `${path}?include[]=reasoning.encrypted_content`);
    expect(await got.json()).toMatchObject({ id: made["id"], model: MODEL, status: "queued" });
    expect(got.headers.get("x-gatewright-backend")).toBe("a");
    expect(await (await stage.call("GET", `${path}/input_items?key=sk-mine&limit=3`)).json()).toEqual({
      object: "list",
      data: [{ of: made["id"] }],
    });
    const resumed = await stage.call("GET", `${path}?stream=true&starting_after=1`);
    expect(resumed.headers.get("content-type")).toContain("text/event-stream");
    expect(await resumed.text()).toContain("response.completed");
    expect(await (await stage.call("POST", `${path}/cancel`)).json()).toMatchObject({ status: "cancelled" });
    expect(await (await stage.call("DELETE", path)).json()).toMatchObject({ deleted: true });
    await expectNotFound(await stage.call("GET", path));
    expect(b.seen).toEqual([]);
    expect(a.seen.map(({ method, path: asked }) => `${method} ${asked}`)).toEqual([
      `GET /v1/responses${path}?include[]=reasoning.encrypted_content`,
      `GET /v1/responses${path}/input_items?limit=3`,
      `GET /v1/responses${path}?stream=true&starting_after=1`,
      `POST /v1/responses${path}/cancel`,
      `DELETE /v1/responses${path}`,
    ]);
  });

  it("come back under the name of the model that was asked for", async () => {
    const account = await startAccount("a");
    const stage = await stageOf({ a: native(account) }, [responsesStore()], {
      models: { house: { targets: [{ backend: "a", model: MODEL }] } },
    });
    const made = await stage.ask({ model: "house", input: "One" });
    const got = await stage.call("GET", `/${String(made["id"])}`);
    expect(await got.json()).toMatchObject({ model: "house" });
  });

  it("are reached through a long chain, which passes by what has no model", async () => {
    const account = await startAccount("a");
    const chain = [
      rateLimit({ rate: 100 }),
      concurrency(),
      cache(),
      timeout({ totalMs: 10_000 }),
      retry(),
      fallback({ models: {} }),
      hedge({ afterMs: 10_000 }),
      circuitBreaker(),
      responsesStore(),
      balancer(),
    ];
    const stage = await stageOf({ a: native(account) }, chain);
    const path = `/${String((await stage.ask({ input: "One", background: true }))["id"])}`;
    for (const [method, rest] of [
      ["GET", ""],
      ["GET", "/input_items"],
      ["POST", "/cancel"],
      ["DELETE", ""],
    ] as const)
      expect((await stage.call(method, path + rest)).status).toBe(200);
    expect((await stage.ended(5)).outcome).toBe("complete");
  });

  it("are asked for under paths that end with a version", async () => {
    const account = await startAccount("a");
    const stage = await stageOf({ a: { ...native(account), adapter: "versioned" } }, [responsesStore()]);
    const path = `/${String((await stage.ask({ input: "One" }))["id"])}`;
    expect((await stage.call("GET", path)).status).toBe(200);
    expect((await stage.call("GET", `${path}/input_items?limit=3`)).status).toBe(200);
    expect(account.seen.map((request) => request.path)).toEqual([
      "/v1/responses?version=1",
      `/v1/responses${path}?version=1`,
      `/v1/responses${path}/input_items?version=1&limit=3`,
    ]);
  });

  it("are found again when their stream was cut", async () => {
    const { stage } = await twoAccounts();
    const events = await stage.stream({ input: "One", cut: true });
    expect(events.at(-1)).toMatchObject({ type: "error" });
    const { id } = events[0]!["response"] as { id: string };
    expect((await stage.call("GET", `/${id}`)).status).toBe(200);
  });

  it("pass byte for byte", async () => {
    const account = await startAccount("a");
    const bare = await stageOf({ a: native(account) });
    const stage = await stageOf({ a: native(account) }, [responsesStore()]);
    const body = { model: MODEL, input: "One", stream: true };
    const [one, two] = [await bare.call("POST", "", body), await stage.call("POST", "", body)];
    expect((await two.text()).replaceAll("a1", "a0")).toBe(await one.text());
  });

  it("with a conversation stay with the one account that has it, and with the first key to use it", async () => {
    const account = await startAccount("a");
    const chat = await simulatedChat();
    const keys = ["one", "two"].map((id) => ({ id, key: `sk-${id}-0123456789abcdef` }));
    const stage = await stageOf({ chat: chatOnly(chat), a: native(account) }, [
      apiKeys({ keys }),
      responsesStore(),
    ]);
    const [one, two] = keys.map(({ key }) => ({ authorization: `Bearer ${key}` }));
    for (let turn = 0; turn < 3; turn++) await stage.ask({ input: "a", conversation: { id: "conv_1" } }, one);
    expect(chat.requests).toEqual([]);
    expect(account.seen).toHaveLength(3);
    await expectNotFound(
      await stage.call("POST", "", { model: MODEL, input: "a", conversation: "conv_1" }, two),
    );
  });

  it("with a conversation that may be in several places are refused", async () => {
    const { a, b, stage } = await twoAccounts();
    await expectNotFound(await stage.call("POST", "", { model: MODEL, input: "a", conversation: "conv_1" }));
    expect([...a.seen, ...b.seen]).toEqual([]);
  });

  it("in the background go to a backend that can", async () => {
    const account = await startAccount("a");
    const chat = await simulatedChat();
    const stage = await stageOf({ chat: chatOnly(chat), a: native(account) }, [responsesStore(), balancer()]);
    for (let turn = 0; turn < 4; turn++)
      expect((await stage.ask({ input: "a", background: true }))["status"]).toBe("queued");
    expect(chat.requests).toEqual([]);
  });

  it("are 503 while their backend is out of play, and 404 where it does not serve the model", async () => {
    const account = await startAccount("a");
    const other = await startAccount("b");
    const out = { isOut: false };
    const filter = defineGatewayPlugin({
      name: "filter",
      options: v.strictObject({}),
      needs: ["candidates"],
      setup: () => ({
        middleware(ctx, next) {
          if (out.isOut) ctx.candidates = ctx.candidates.filter(({ backend }) => backend.name !== "a");
          return next();
        },
      }),
    });
    const stage = await stageOf({ a: native(account), b: { ...native(other), models: [MODEL, "else"] } }, [
      filter(),
      responsesStore(),
    ]);
    const { id } = await stage.ask({ input: "a" });
    const moved = await stage.call("POST", "", { model: "else", input: "a", previous_response_id: id });
    await expectNotFound(moved);
    out.isOut = true;
    const away = await stage.call("POST", "", { model: MODEL, input: "a", previous_response_id: id });
    expect(away.status).toBe(503);
    expect(other.seen).toEqual([]);
  });
});

describe("a conversation between both kinds of backend", () => {
  it("goes on at a backend that speaks the API itself, without ids and thoughts that it does not know", async () => {
    const account = await startAccount("a");
    const chat = await simulatedChat("ollama");
    const stage = await stageOf(
      { chat: { ...ollama(chat), models: ["small"] }, a: native(account) },
      [responsesStore()],
      { models: { small: { targets: [{ backend: "chat", model: MODEL }] } } },
    );
    const first = await stage.ask({ model: "small", input: "One", reasoning: { effort: "low" } });
    await stage.ask({ input: "Two", previous_response_id: first["id"] });
    const { body } = account.seen.at(-1)!;
    expect(body).not.toHaveProperty("previous_response_id");
    const said = (text: string) => ({
      type: "message",
      role: "user",
      content: [{ type: "input_text", text }],
    });
    const answer = { type: "output_text", text: textOf(first), annotations: [], logprobs: [] };
    expect(body["input"]).toEqual([
      said("One"),
      { type: "message", role: "assistant", content: [answer] },
      said("Two"),
    ]);
  });

  it.each([
    ["by the config", "openai", ["a"]],
    ["by its adapter", "forgetful", []],
  ])("is kept here for a backend that keeps none, as is said %s", async (_name, adapter, stateless) => {
    const account = await startAccount("a");
    const stage = await stageOf({ a: { ...native(account), adapter } }, [responsesStore({ stateless })]);
    const first = await stage.ask({ input: "One" });
    const second = await stage.ask({ input: "Two", previous_response_id: first["id"] });
    expect(second).toMatchObject({ previous_response_id: first["id"], store: true });
    const said = { type: "message", role: "assistant", content: [{ type: "output_text", text: "a0" }] };
    expect(account.seen.at(-1)!.body["input"]).toMatchObject([{ role: "user" }, said, { role: "user" }]);
    expect((await stage.call("GET", `/${String(first["id"])}`)).status).toBe(200);
    expect(account.seen).toHaveLength(2);

    await stage.ask({
      input: [
        { type: "item_reference", id: "msg_a0" },
        { role: "user", content: "Three" },
      ],
    });
    expect(account.seen.at(-1)!.body["input"]).toEqual([said, { role: "user", content: "Three" }]);
  });

  it.each(["deepseek", "groq", "llamacpp", "openrouter", "xinference"])(
    "is kept here for %s, which keeps none and is asked for none",
    async (adapter) => {
      const account = await startAccount("a");
      const stage = await stageOf({ a: { ...native(account), adapter } }, [responsesStore()]);
      const first = await stage.call("POST", "", { model: MODEL, input: "One", store: true });
      expect(first.headers.get("x-gatewright-dropped")).toBeNull();
      const { id, store } = (await first.json()) as { id: string; store: boolean };
      expect(store).toBe(true);
      await stage.ask({ input: "Two", previous_response_id: id });
      for (const { body } of account.seen) {
        expect(body).not.toHaveProperty("store");
        expect(body).not.toHaveProperty("previous_response_id");
      }
      expect(account.seen.at(-1)!.body["input"]).toMatchObject([
        { content: [{ text: "One" }] },
        { content: [{ text: "a0" }] },
        { content: [{ text: "Two" }] },
      ]);
      expect((await stage.call("GET", `/${id}`)).status).toBe(200);
      expect(account.seen).toHaveLength(2);
    },
  );

  it("goes back with its thoughts to where they come from, and without them to others", async () => {
    const thought = {
      id: "rs_1",
      type: "reasoning",
      summary: [],
      content: [{ type: "reasoning_text", text: "?" }],
    };
    const [own, other] = [await startAccount("a"), await startAccount("b")];
    for (const account of [own, other]) account.thoughts.push(thought);
    const stage = await stageOf(
      {
        own: { ...native(own), adapter: "deepseek", models: ["thinker"] },
        other: { ...native(other), adapter: "groq", models: ["else"] },
      },
      [responsesStore()],
    );
    const typesAt = ({ seen }: typeof own) =>
      (seen.at(-1)!.body["input"] as { type?: string }[]).map(({ type = "message" }) => type);
    const first = await stage.ask({ model: "thinker", input: "One" });
    const second = await stage.ask({ model: "thinker", input: "Two", previous_response_id: first["id"] });
    expect(typesAt(own)).toEqual(["message", "reasoning", "message", "message"]);
    const third = await stage.ask({ model: "else", input: "Three", previous_response_id: second["id"] });
    expect(typesAt(other)).not.toContain("reasoning");
    // Of several makers nobody can read all.
    await stage.ask({ model: "else", input: "Four", previous_response_id: third["id"] });
    expect(typesAt(other)).not.toContain("reasoning");
  });

  it.each(["gpustack", "vllm"])("is kept here for %s, which may lose it", async (adapter) => {
    const account = await startAccount("a");
    const stage = await stageOf({ a: { ...native(account), adapter } }, [responsesStore()]);
    const { id } = await stage.ask({ input: "One" });
    await stage.ask({ input: "Two", previous_response_id: id });
    expect(account.seen.at(-1)!.body).not.toHaveProperty("previous_response_id");
    expect(account.seen.at(-1)!.body["input"]).toHaveLength(3);
  });

  it.each(["fireworks", "lmstudio", "sglang", "volcengine", "xai"])(
    "is kept by %s, which is asked by the id",
    async (adapter) => {
      const account = await startAccount("a");
      const stage = await stageOf({ a: { ...native(account), adapter } }, [responsesStore()]);
      const { id } = await stage.ask({ input: "One" });
      await stage.ask({ input: "Two", previous_response_id: id });
      expect(account.seen.at(-1)!.body).toMatchObject({ input: "Two", previous_response_id: id });
    },
  );

  it("is a 400 without the plugin, where the backend keeps none", async () => {
    const account = await startAccount("a");
    const stage = await stageOf({ a: { ...native(account), adapter: "groq" } });
    for (const [param, value] of [
      ["previous_response_id", "resp_1"],
      ["conversation", "conv_1"],
      ["background", true],
    ] as const) {
      const reply = await stage.call("POST", "", { model: MODEL, input: "a", [param]: value });
      expect(reply.status).toBe(400);
      expect(await reply.json()).toMatchObject({ error: { code: "unsupported_parameter", param } });
    }
    const stored = await stage.call("POST", "", { model: MODEL, input: "a", store: true });
    expect(stored.headers.get("x-gatewright-dropped")).toBe("store");
    expect(account.seen).toHaveLength(1);
  });

  it("cannot begin with a backend that does not exist", async () => {
    const account = await startAccount("a");
    await expect(stageOf({ a: native(account) }, [responsesStore({ stateless: ["b"] })])).rejects.toThrow(
      "stateless[0] must be the name of a backend",
    );
  });
});
