import { apiKeys } from "@gatewright/api-keys";
import { cache } from "@gatewright/cache";
import type { CacheOptions } from "@gatewright/cache";
import { fallback } from "@gatewright/fallback";
import { createState } from "gatewright";
import type { State } from "gatewright";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { MemoryStore } from "../../plugins/cache/src/memory-store.ts";
import { requestKey } from "../../plugins/cache/src/request-key.ts";
import { StateStore } from "../../plugins/cache/src/state-store.ts";
import type { StoredAnswer } from "../../plugins/cache/src/stored-answer.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startRedis } from "../_support/redis.ts";
import { waitFor } from "../_support/wait-for.ts";
import {
  answering,
  chat,
  chatBody,
  chatStream,
  delta,
  DONE,
  errorOf,
  event,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  simulated,
  startStage,
  streamReply,
} from "../e2e/_stage.ts";
import type { Stage, StageConfig } from "../e2e/_stage.ts";
import { createHost, createTarget, FakeContext, findFaults, tally } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

/** Longer than any test. */
const NEVER_MS = 600_000;
/** An answer of temperature 0 may be kept without further words. */
const EXACT = { temperature: 0 };

describePlugin({ folder: "cache", factory: "cache", create: () => cache() });

function stored(fields: Partial<StoredAnswer> = {}): StoredAnswer {
  return { storedAt: 0, expiresAt: 1_000, headers: {}, body: "{}", ...fields };
}

describe("the key", () => {
  const keyOf = (fields: ConstructorParameters<typeof FakeContext>[0] = {}, options = {}): string =>
    requestKey(new FakeContext({ candidates: [createTarget("x")], ...fields }, createHost()), {
      scope: "principal",
      version: "1",
      ...options,
    });

  it("is a SHA-256 in hex, the same for the same request in other words", () => {
    expect(keyOf({ json: { a: 1, b: { c: [1], d: null } } })).toMatch(/^[0-9a-f]{64}$/);
    expect(keyOf({ json: { a: 1, b: { c: [1], d: null } } })).toBe(
      keyOf({ json: { b: { d: null, c: [1] }, a: 1 } }),
    );
  });

  it("differs with the body, stream flag and options, model, targets and version", () => {
    const keys = [
      keyOf(),
      keyOf({ json: { stream: true } }),
      keyOf({ json: { stream: true, stream_options: { include_usage: true } } }),
      keyOf({ model: "another" }),
      keyOf({ candidates: [createTarget("y")] }),
      keyOf({}, { version: "2" }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("keeps principals apart, and joins those of one tenant only where the scope says so", () => {
    const keyFor = (id: string, tenant: string | undefined, scope: string): string => {
      const ctx = new FakeContext({}, createHost());
      ctx.principal = { id, tenant };
      return requestKey(ctx, { scope: scope as CacheOptions["scope"], version: "1" });
    };
    expect(keyFor("a", "t", "principal")).not.toBe(keyFor("b", "t", "principal"));
    expect(keyFor("a", "t", "principal")).not.toBe(keyFor("a", "u", "principal"));
    expect(keyFor("a", "t", "tenant")).toBe(keyFor("b", "t", "tenant"));
    expect(keyFor("a", "t", "tenant")).not.toBe(keyFor("a", "u", "tenant"));
    expect(keyFor("a", undefined, "tenant")).not.toBe(keyFor("b", undefined, "tenant"));
    expect(keyFor("t", undefined, "tenant")).not.toBe(keyFor("a", "t", "tenant"));
  });
});

describe("the memory store", () => {
  it("drops the answer that was unused for longest, and what is too old", () => {
    let now = 0;
    const store = new MemoryStore(2, () => now);
    store.set("a", stored());
    store.set("b", stored());
    expect(store.get("a")).toBeDefined();
    store.set("c", stored());
    expect([store.get("a"), store.get("b"), store.get("c")].map((found) => found !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
    now = 999;
    expect(store.get("a")).toBeDefined();
    now = 1_000;
    expect(store.get("a")).toBeUndefined();
  });
});

describe("the state store", () => {
  it("gives up after 50 ms when state is slow (C7)", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const never = new Promise<never>(() => {});
    const store = new StateStore({ get: () => never, set: () => never } as unknown as State);
    let ended = 0;
    const settle = (): unknown => ended++;
    store.get("a").then(settle, settle);
    store.set("a", stored()).then(settle, settle);
    await vi.advanceTimersByTimeAsync(49);
    expect(ended).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toBe(2);
  });

  it("takes a document of another shape for none", async () => {
    const state = await createState({ driver: "memory" });
    onTestFinished(() => state.close());
    await state.set("a", { other: 1 });
    expect(await new StateStore(state).get("a")).toBeUndefined();
  });
});

describe("options", () => {
  it.each([
    [{ ttlMs: 0 }, "ttlMs"],
    [{ maxEntries: 0 }, "maxEntries"],
    [{ store: "redis" }, "store"],
    [{ scope: "all" }, "scope"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(cache(options as never)).map((fault) => fault.path)).toEqual([path]);
  });
});

async function staged(
  options: Partial<CacheOptions> = {},
  rest: Partial<StageConfig> & { state?: unknown } = {},
): Promise<{ stage: Stage; backend: SimulatedBackend }> {
  const backend = await simulated({ keepRequests: 10_000 });
  const stage = await startStage({
    backends: { main: openaiAt(backend) },
    plugins: [cache(options)],
    ...rest,
  });
  return { stage, backend };
}

const resultOf = (response: Response): string | null => response.headers.get("x-gatewright-cache");

async function read(response: Response): Promise<[result: string | null, text: string]> {
  return [resultOf(response), await response.text()];
}

describe("a repeated request", () => {
  it.each(["memory", "state"] as const)(
    "is answered from %s without an upstream call (re-16)",
    async (store) => {
      const { stage, backend } = await staged({ store });
      const [first, text] = await read(await chat(stage, EXACT));
      const response = await chat(stage, EXACT);
      expect([first, resultOf(response)]).toEqual(["miss", "hit"]);
      expect(response.headers.get("age")).toMatch(/^\d+$/);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(response.headers.get("cache-control")).toBe("private, no-store");
      expect(response.headers.get("x-gatewright-backend")).toBeNull();
      expect(await response.text()).toBe(text);
      expect(backend.requests).toHaveLength(1);
      const end = await stage.ended(2);
      expect(end).toMatchObject({ outcome: "complete", status: 200, attempts: [], usage: undefined });
      expect(stage.contexts[1]!.vars.cache).toEqual({ result: "hit" });
    },
  );

  it.each(["memory", "state"] as const)(
    "of a stream is replayed event by event from %s (re-16)",
    async (store) => {
      const { stage, backend } = await staged({ store });
      const first = await chatStream(stage, EXACT);
      const response = await chat(stage, { stream: true, ...EXACT });
      expect(resultOf(response)).toBe("hit");
      expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
      expect(await response.text()).toBe(first);
      expect(backend.requests).toHaveLength(1);
      expect((await stage.ended(2)).outcome).toBe("complete");
    },
  );

  it("with another body, or streamed this time, is a miss (re-16)", async () => {
    const { stage, backend } = await staged();
    const results = [];
    for (const rest of [EXACT, { ...EXACT, seed: 1 }, { ...EXACT, stream: true }])
      results.push((await read(await chat(stage, rest)))[0]);
    expect(results).toEqual(["miss", "miss", "miss"]);
    expect(backend.requests).toHaveLength(3);
  });

  it("goes upstream again once the answer is too old (re-16)", async () => {
    const { stage, backend } = await staged({ ttlMs: 30 });
    await chat(stage, EXACT);
    await waitFor("the second call", async () => {
      await chat(stage, EXACT);
      return backend.requests.length === 2;
    });
  });

  it("of another principal is a miss", async () => {
    const [a, b] = ["sk-cache-a-0123456789abcdef0123", "sk-cache-b-0123456789abcdef0123"];
    const keys = [
      { id: "a", key: a },
      { id: "b", key: b },
    ];
    const { stage, backend } = await staged({}, { plugins: [apiKeys({ keys }), cache()] });
    const results = [];
    for (const key of [a, b, a])
      results.push(resultOf(await chat(stage, EXACT, { headers: { authorization: `Bearer ${key}` } })));
    expect(results).toEqual(["miss", "miss", "hit"]);
    expect(backend.requests).toHaveLength(2);
  });

  it.each([
    ["embeddings", { input: "a" }],
    ["moderations", { input: "a" }],
    ["completions", { prompt: "a", temperature: 0 }],
  ])("to %s is a hit", async (path, body) => {
    const { stage } = await staged();
    const send = (): Promise<Response> => post(`${stage.url}/v1/${path}`, { model: MODEL, ...body });
    const first = await read(await send());
    expect(first[0]).toBe("miss");
    expect(await read(await send())).toEqual(["hit", first[1]]);
  });
});

describe("never kept by default (C3)", () => {
  async function results(stage: Stage, rest: Record<string, unknown> = EXACT): Promise<(string | null)[]> {
    const sent = [];
    for (let count = 0; count < 2; count++) {
      const response = await chat(stage, rest);
      sent.push(resultOf(response));
      await response.text().catch(() => "cut");
    }
    return sent;
  }

  it("errors", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "status", status: 500 }];
    expect(await results(stage)).toEqual(["miss", "miss"]);
    expect(backend.requests).toHaveLength(2);
  });

  it("truncated streams", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "cut", afterEvents: 3 }];
    expect(await results(stage, { ...EXACT, stream: true })).toEqual(["miss", "miss"]);
  });

  it("answers whose client left", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "stall", afterEvents: 3 }];
    const client = new AbortController();
    const response = await chat(stage, { ...EXACT, stream: true }, { signal: client.signal });
    client.abort();
    await expect(response.text()).rejects.toThrow();
    await stage.ended();
    expect(resultOf(await chat(stage, { ...EXACT, stream: true }))).toBe("miss");
  });

  it.each([
    ["filtered", { finish_reason: "content_filter", message: { role: "assistant", content: "" } }],
    ["refused", { finish_reason: "stop", message: { role: "assistant", refusal: "No." } }],
    ["unfinished", { finish_reason: null, message: { role: "assistant", content: "a" } }],
    [
      "tool calling",
      { finish_reason: "stop", message: { role: "assistant", tool_calls: [{ id: "1", type: "function" }] } },
    ],
  ])("%s answers, whatever the request says", async (_, choice) => {
    const backend = await answering(
      jsonReply({ id: "c", object: "chat.completion", model: MODEL, choices: [{ index: 0, ...choice }] }),
    );
    const stage = await startStage({ backends: { main: openaiAt(backend) }, plugins: [cache()] });
    expect(await results(stage)).toEqual(["miss", "miss"]);
    expect(await results(stage, { cache: { enabled: true } })).toEqual(["miss", "miss"]);
  });

  it("replies without an answer in them", async () => {
    const backend = await answering(jsonReply({ id: "c", model: MODEL, choices: [{ index: 0 }] }));
    const stage = await startStage({ backends: { main: openaiAt(backend) }, plugins: [cache()] });
    expect(await results(stage)).toEqual(["miss", "miss"]);
  });

  it("filtered streams", async () => {
    const end = event({ choices: [{ index: 0, delta: {}, finish_reason: "content_filter" }] });
    const backend = await answering(streamReply(delta("a"), end, DONE));
    const stage = await startStage({ backends: { main: openaiAt(backend) }, plugins: [cache()] });
    expect(await results(stage, { ...EXACT, stream: true })).toEqual(["miss", "miss"]);
  });

  it("sampled answers, unless the request or the config asks for it", async () => {
    const { stage } = await staged();
    expect(await results(stage, {})).toEqual(["bypass", "bypass"]);
    expect(await results(stage, { temperature: 0.7 })).toEqual(["bypass", "bypass"]);
    expect(await results(stage, { temperature: 0.7, cache: { enabled: true } })).toEqual(["miss", "hit"]);
    const { stage: any } = await staged({ anyTemperature: true });
    expect(await results(any, { temperature: 0.7 })).toEqual(["miss", "hit"]);
  });

  it("answers that are too long", async () => {
    const { stage } = await staged({ maxBytes: 50 });
    expect(await results(stage)).toEqual(["miss", "miss"]);
    expect(await results(stage, { ...EXACT, stream: true })).toEqual(["miss", "miss"]);
  });

  it("answers of another model, and prepared ones", async () => {
    const [backend, spare] = [await simulated(), await simulated({ models: ["spare"] })];
    backend.faults = [{ kind: "status", status: 500 }];
    const stage = await startStage({
      backends: { main: openaiAt(backend), spare: openaiAt(spare, { models: ["spare"] }) },
      plugins: [cache(), fallback({ models: { [MODEL]: ["spare"] } })],
    });
    expect((await chat(stage, EXACT)).headers.get("x-gatewright-fallback")).toBe("model");
    const response = await chat(stage, EXACT);
    expect([resultOf(response), response.headers.get("x-gatewright-backend")]).toEqual(["miss", "main"]);
  });

  it("what is stored at the provider, and operations that cannot be judged", async () => {
    const { stage } = await staged();
    expect(await results(stage, { ...EXACT, store: true })).toEqual(["bypass", "bypass"]);
    const speech = { model: MODEL, input: "a", voice: "alloy", cache: { enabled: true } };
    expect((await read(await post(`${stage.url}/v1/audio/speech`, speech)))[0]).toBe("bypass");
  });
});

describe("what requests say", () => {
  it("is taken out of the body before it goes upstream", async () => {
    const { stage, backend } = await staged();
    await chat(stage, { cache: { enabled: true, ttl: 60 } });
    await chat(stage, { cache: { enabled: false } });
    expect(backend.requests.map(({ json }) => json)).toEqual([chatBody(), chatBody()]);
  });

  it.each([true, { enabled: "yes" }, { ttl: 0 }, { ttl: 1e9 }, { nosuch: 1 }])(
    "is refused when `cache` is %j",
    async (member) => {
      const { stage, backend } = await staged();
      const response = await chat(stage, { cache: member });
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ code: "invalid_request", param: "cache" });
      expect(backend.requests).toHaveLength(0);
    },
  );

  it("goes by the cache with `enabled: false` and `no-store`, and renews the answer with `no-cache`", async () => {
    const { stage, backend } = await staged();
    const first = (await read(await chat(stage, EXACT)))[1];
    backend.settings.text = "another answer";
    const control = (value: string): RequestInit => ({ headers: { "cache-control": value } });
    expect(resultOf(await chat(stage, { ...EXACT, cache: { enabled: false } }))).toBe("bypass");
    expect(resultOf(await chat(stage, EXACT, control("No-Store")))).toBe("bypass");
    expect((await read(await chat(stage, EXACT)))[1]).toBe(first);
    expect(resultOf(await chat(stage, EXACT, control("no-cache")))).toBe("miss");
    const [result, renewed] = await read(await chat(stage, EXACT, control("max-age=3600")));
    expect(result).toBe("hit");
    expect(renewed).toContain("another answer");
    expect(backend.requests).toHaveLength(4);
  });

  it("refuses answers that are older than `max-age`", async () => {
    const { stage, backend } = await staged();
    await chat(stage, EXACT);
    await waitFor("a new answer", async () => {
      await chat(stage, EXACT, { headers: { "cache-control": "max-age=0" } });
      return backend.requests.length > 1;
    });
    expect(resultOf(await chat(stage, EXACT, { headers: { "cache-control": "max-age=soon" } }))).toBe("miss");
  });
});

describe("identical requests at once (C5)", () => {
  const wait = (stage: Stage, count: number): Promise<unknown> =>
    waitFor(`${count} requests`, () => stage.contexts.length >= count);

  it.each([false, true])(
    "are one upstream call for a thousand, streamed: %s",
    async (stream) => {
      const { stage, backend } = await staged({ waitMs: NEVER_MS });
      backend.faults = [{ kind: "delay", ms: 200 }];
      const all = await Promise.all(
        Array.from({ length: 1_000 }, async () => read(await chat(stage, { ...EXACT, stream }))),
      );
      expect(backend.requests).toHaveLength(1);
      expect(new Set(all.map(([, text]) => text)).size).toBe(1);
      expect(all.filter(([result]) => result === "miss")).toHaveLength(1);
      expect(all.filter(([result]) => result === "hit")).toHaveLength(999);
    },
    30_000,
  );

  it("go on by themselves when the first one fails", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "status", status: 400 }];
    const all = await Promise.all(Array.from({ length: 10 }, () => chat(stage, EXACT)));
    expect(tally(all.map(({ status }) => status))).toEqual(
      new Map([
        [200, 9],
        [400, 1],
      ]),
    );
  });

  it.each([false, true])(
    "find another leader when the first one's client leaves, streamed: %s",
    async (stream) => {
      const { stage, backend } = await staged({ waitMs: NEVER_MS });
      backend.faults = [stream ? { kind: "stall", afterEvents: 2 } : { kind: "no_answer" }];
      const client = new AbortController();
      const left = chat(stage, { ...EXACT, stream }, { signal: client.signal })
        .then((response) => response.text())
        .catch(() => "left");
      await waitFor("the leader", () => backend.requests.length === 1);
      const followers = Array.from({ length: 5 }, async () => read(await chat(stage, { ...EXACT, stream })));
      await wait(stage, 6);
      client.abort();
      expect(await left).toBe("left");
      const results = (await Promise.all(followers)).map(([result]) => result);
      expect(tally(results)).toEqual(
        new Map([
          ["hit", 4],
          ["miss", 1],
        ]),
      );
      expect(backend.requests).toHaveLength(2);
    },
  );

  it("start a stream of their own after `waitMs`", async () => {
    const { stage, backend } = await staged({ waitMs: 20 });
    backend.faults = [{ kind: "stall", afterEvents: 2 }];
    const client = new AbortController();
    const leader = await chat(stage, { ...EXACT, stream: true }, { signal: client.signal });
    const [result, text] = await read(await chat(stage, { ...EXACT, stream: true }));
    expect([result, backend.requests.length]).toEqual(["miss", 2]);
    expect(text).toMatch(/\[DONE\]\n\n$/);
    client.abort();
    await expect(leader.text()).rejects.toThrow();
  });

  it("may leave while they wait", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "delay", ms: 300 }];
    const leader = chat(stage, EXACT);
    await waitFor("the leader", () => backend.requests.length === 1);
    const client = new AbortController();
    const follower = chat(stage, EXACT, { signal: client.signal }).catch(() => "left");
    await wait(stage, 2);
    client.abort();
    expect(await follower).toBe("left");
    expect((await stage.ended()).outcome).toBe("client_abort");
    expect((await leader).status).toBe(200);
  });
});

describe("a store that fails (C7)", () => {
  it("is passed by while it hangs, and used again when it is back", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const state = { driver: "redis", url: redis.url, timeoutMs: 5_000 };
    const { stage, backend } = await staged({ store: "state" }, { state });
    await waitFor("the answer in the store", async () => resultOf(await chat(stage, EXACT)) === "hit");
    redis.pause();
    const before = backend.requests.length;
    // The first ones may still be told the answer by the request that stores it.
    const bypassed = await waitFor("a bypass", async () => {
      const response = await chat(stage, EXACT);
      return resultOf(response) === "bypass" ? response : undefined;
    });
    expect(bypassed.status).toBe(200);
    expect(backend.requests).toHaveLength(before + 1);
    redis.resume();
    await waitFor("the store", async () => resultOf(await chat(stage, EXACT)) === "hit");
    const said = (message: string): number => stage.lines.filter((line) => line.includes(message)).length;
    // Lines are written in batches.
    await waitFor("the line of its return", () => said("the cache's store answers again") > 0);
    expect(said("the cache's store is passed by")).toBeGreaterThan(0);
  });
});

describe("a store that is gone (C7)", () => {
  it("Z1: at the start, or later, is passed by at once, and used when it is there", async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await redis.kill();
    const { stage, backend } = await staged(
      { store: "state" },
      { state: { driver: "redis", url: redis.url, timeoutMs: 5_000 } },
    );
    for (let outage = 0; outage < 2; outage++) {
      const before = backend.requests.length;
      for (let count = 0; count < 5; count++) {
        const response = await chat(stage, EXACT);
        expect([response.status, resultOf(response)]).toEqual([200, "bypass"]);
        await response.text();
      }
      expect(backend.requests).toHaveLength(before + 5);
      await redis.restart();
      await waitFor("the store", async () => resultOf(await chat(stage, EXACT)) === "hit");
      await redis.kill();
      await waitFor("the loss to be seen", async () => resultOf(await chat(stage, EXACT)) === "bypass");
    }
  });
});
