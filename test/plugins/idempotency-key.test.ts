import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiKeys } from "@gatewright/api-keys";
import { idempotencyKey } from "@gatewright/idempotency-key";
import { createState } from "gatewright";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { claim, settle } from "../../plugins/idempotency-key/src/claims.ts";
import { expectHistoriesEqual } from "../_support/atomic-op-suite.ts";
import { startRedis } from "../_support/redis.ts";
import { waitFor } from "../_support/wait-for.ts";
import {
  chat,
  delta,
  errorOf,
  EVENT_STREAM,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  scripted,
  simulated,
  startStage,
} from "../e2e/_stage.ts";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import type { Stage, StageConfig } from "../e2e/_stage.ts";
import { describePlugin } from "./_suite.ts";

type Options = Parameters<typeof idempotencyKey>[0];

describePlugin({ folder: "idempotency-key", factory: "idempotencyKey", create: () => idempotencyKey() });

async function staged(options: Options = {}, rest: Partial<StageConfig> & { state?: object } = {}) {
  const backend = await simulated({ tokens: 3 });
  const stage = await startStage({
    backends: { main: openaiAt(backend) },
    plugins: [idempotencyKey(options)],
    ...rest,
  });
  return { stage, backend };
}

const keyed = (key: string, rest: RequestInit = {}): RequestInit => ({
  ...rest,
  headers: { "idempotency-key": key },
});

async function send(
  stage: Stage,
  key: string,
  body: Record<string, unknown> = {},
): Promise<[number, string, boolean]> {
  const response = await chat(stage, body, keyed(key));
  const replayed = response.headers.get("idempotent-replayed") === "true";
  return [response.status, await response.text(), replayed];
}

async function temporaryDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "gatewright-idempotency-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

async function startedRedis() {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  return redis;
}

const STATES: Readonly<Record<string, () => Promise<object>>> = {
  memory: async () => ({ driver: "memory" }),
  file: async () => ({ driver: "file", dir: await temporaryDir() }),
  redis: async () => ({ driver: "redis", url: (await startedRedis()).url, timeoutMs: 5_000 }),
};

describe.each(Object.entries(STATES))("T8: a request with a key, on %s state", (_, stateOf) => {
  it.each([false, true])("is answered again without a second call, streamed: %s", async (stream) => {
    const { stage, backend } = await staged({}, { state: await stateOf() });
    const [status, text, replayed] = await send(stage, "k", { stream });
    expect([status, replayed]).toEqual([200, false]);
    // The claim on a stream is settled with its last byte.
    const again = await waitFor("the answer", async () => {
      const found = await send(stage, "k", { stream });
      return found[0] === 200 ? found : undefined;
    });
    expect(again).toEqual([200, text, true]);
    expect(backend.requests).toHaveLength(1);
  });

  it("is refused with 422 with another body, model or stream flag", async () => {
    const { stage, backend } = await staged({}, { state: await stateOf() });
    await send(stage, "k");
    for (const body of [
      { seed: 1 },
      { stream: true },
      { messages: [{ role: "user", content: "Another." }] },
    ]) {
      const response = await chat(stage, body, keyed("k"));
      expect([response.status, (await errorOf(response)).code]).toEqual([422, "idempotency_key_reused"]);
      expect(response.headers.get("x-should-retry")).toBe("false");
    }
    expect(backend.requests).toHaveLength(1);
  });

  it("runs once of fifty at once; the others are refused with 409", async () => {
    const { stage, backend } = await staged({}, { state: await stateOf() });
    backend.faults = [{ kind: "delay", ms: 300 }];
    const all = await Promise.all(Array.from({ length: 50 }, () => send(stage, "k")));
    const statuses = all.map(([status]) => status);
    expect(backend.requests).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).not.toHaveLength(0);
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true);
  });

  it("waits for the one that runs where it is to", async () => {
    const { stage, backend } = await staged({ waitMs: 15_000 }, { state: await stateOf() });
    backend.faults = [{ kind: "delay", ms: 150 }];
    const all = await Promise.all(Array.from({ length: 5 }, () => send(stage, "k")));
    expect(all.map(([status]) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(new Set(all.map(([, text]) => text)).size).toBe(1);
    expect(backend.requests).toHaveLength(1);
  });
});

describe("T8: after a crash", () => {
  it("a request whose process was killed holds its key; an answer is still there", async () => {
    const { url } = await startedRedis();
    const state = { driver: "redis", url, timeoutMs: 5_000 };
    const first = await staged({}, { state });
    const [, text] = await send(first.stage, "answered");
    first.backend.faults = [{ kind: "no_answer" }];
    const client = new AbortController();
    onTestFinished(() => client.abort());
    void chat(first.stage, {}, keyed("running", { signal: client.signal })).catch(() => "cut");
    await waitFor("the call", () => first.backend.requests.length === 2);

    const second = await staged({}, { state });
    expect(await send(second.stage, "answered")).toEqual([200, text, true]);
    expect((await send(second.stage, "running"))[0]).toBe(409);
    expect(second.backend.requests).toHaveLength(0);
  });

  it("an answer outlives a restart with file state", async () => {
    const dir = await temporaryDir();
    const state = await createState({ driver: "file", dir });
    const scoped = state.scoped("x");
    await scoped.run(claim, ["k"], ["f", "o", 60_000]);
    await state.close();
    const reopened = await createState({ driver: "file", dir });
    expect(await reopened.scoped("x").run(claim, ["k"], ["f", "other", 60_000])).toEqual(["running"]);
    await reopened.close();
  });

  it("a key is free again after `claimMs`", async () => {
    const state = await createState({ driver: "memory" });
    expect(await state.run(claim, ["k"], ["f", "first", 1])).toEqual(["mine"]);
    await waitFor(
      "the key",
      async () => (await state.run(claim, ["k"], ["f", "second", 60_000]))[0] === "mine",
    );
    expect(await state.run(settle, ["k"], ["first", "free", 1])).toEqual([0]);
    expect(await state.run(claim, ["k"], ["f", "third", 60_000])).toEqual(["running"]);
    await state.close();
  });
});

describe("a request that has no answer", () => {
  it("gives its key free when the backend fails", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "status", status: 500 }];
    expect((await send(stage, "k"))[0]).toBe(502);
    backend.faults = [];
    expect(await send(stage, "k")).toMatchObject([200, expect.any(String), false]);
    expect(backend.requests).toHaveLength(2);
  });

  it("gives its key free when its stream breaks off", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "cut", afterEvents: 3 }];
    await send(stage, "k", { stream: true });
    backend.faults = [];
    const again = await waitFor("the key", async () => {
      const found = await send(stage, "k", { stream: true });
      return found[0] === 200 ? found : undefined;
    });
    expect(again[2]).toBe(false);
  });

  it("gives its key free when its client leaves", async () => {
    const { stage, backend } = await staged();
    backend.faults = [{ kind: "stall", afterEvents: 3 }];
    const client = new AbortController();
    const response = await chat(stage, { stream: true }, keyed("k", { signal: client.signal }));
    client.abort();
    await expect(response.text()).rejects.toThrow();
    backend.faults = [];
    await waitFor("the key", async () => (await send(stage, "k", { stream: true }))[0] === 200);
    expect(backend.requests).toHaveLength(2);
  });

  it("keeps its key where it must not be repeated, unless it was refused", async () => {
    const { stage, backend } = await staged();
    const ask = (key: string): Promise<Response> =>
      post(`${stage.url}/v1/responses`, { model: MODEL, input: "a" }, keyed(key));
    backend.faults = [{ kind: "reset" }];
    expect((await ask("broken")).status).toBe(502);
    expect((await ask("broken")).status).toBe(409);
    backend.faults = [{ kind: "status", status: 429 }];
    expect((await ask("refused")).status).toBe(429);
    backend.faults = [];
    expect((await ask("refused")).status).toBe(200);
  });

  it("is refused as lost when its answer was too long", async () => {
    const { stage, backend } = await staged({ maxBytes: 10 });
    expect((await send(stage, "whole"))[0]).toBe(200);
    const response = await chat(stage, {}, keyed("whole"));
    expect([response.status, (await errorOf(response)).code]).toEqual([409, "idempotency_answer_lost"]);
    await send(stage, "stream", { stream: true });
    await waitFor("the end", async () => {
      const again = await chat(stage, { stream: true }, keyed("stream"));
      return (await errorOf(again)).code === "idempotency_answer_lost";
    });
    expect(backend.requests).toHaveLength(2);
  });
});

describe("a key", () => {
  it("belongs to its principal and operation", async () => {
    const [a, b] = ["sk-idem-a-0123456789abcdef01234", "sk-idem-b-0123456789abcdef01234"];
    const keys = [
      { id: "a", key: a },
      { id: "b", key: b },
    ];
    const { stage, backend } = await staged({}, { plugins: [apiKeys({ keys }), idempotencyKey()] });
    for (const token of [a, b]) {
      const headers = { "idempotency-key": "k", authorization: `Bearer ${token}` };
      expect((await chat(stage, {}, { headers })).status).toBe(200);
      const embedding = { model: MODEL, input: token };
      expect((await post(`${stage.url}/v1/embeddings`, embedding, { headers })).status).toBe(200);
    }
    expect(backend.requests).toHaveLength(4);
  });

  it("that is absent leaves a request alone, and one that is empty or too long is refused", async () => {
    const { stage, backend } = await staged();
    await chat(stage);
    await chat(stage);
    expect(backend.requests).toHaveLength(2);
    for (const key of ["", "k".repeat(256)]) {
      const response = await chat(stage, {}, keyed(key));
      expect([response.status, (await errorOf(response)).param]).toEqual([400, "idempotency-key"]);
    }
  });

  it("may come in another header", async () => {
    const { stage, backend } = await staged({ header: "X-Request-Key" });
    for (let count = 0; count < 2; count++)
      await (await chat(stage, {}, { headers: { "x-request-key": "k" } })).text();
    expect(backend.requests).toHaveLength(1);
    expect(stage.contexts.map(({ vars }) => vars.idempotencyKey?.result)).toEqual(["first", "replayed"]);
  });

  it("says nothing to operations whose answers flow", async () => {
    const { stage, backend } = await staged();
    const speech = { model: MODEL, input: "a", voice: "alloy" };
    for (let count = 0; count < 2; count++)
      await (await post(`${stage.url}/v1/audio/speech`, speech, keyed("k"))).arrayBuffer();
    expect(backend.requests).toHaveLength(2);
  });

  it("that is waited for lets its client leave", async () => {
    const upstream = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM) + chunk(delta("a")).toString());
    });
    const stage = await startStage({
      backends: { main: openaiAt(upstream) },
      plugins: [idempotencyKey({ waitMs: 60_000 })],
    });
    const first = new AbortController();
    onTestFinished(() => first.abort());
    await chat(stage, { stream: true }, keyed("k", { signal: first.signal }));
    const client = new AbortController();
    const waiting = chat(stage, { stream: true }, keyed("k", { signal: client.signal })).catch(() => "left");
    await waitFor("the second", () => stage.contexts.length === 2);
    client.abort();
    expect(await waiting).toBe("left");
    expect((await stage.ended()).outcome).toBe("client_abort");
  });
});

describe("a store that fails", () => {
  it.each([
    [false, 503, '"code":"state_unavailable"'],
    [true, 200, '"object":"chat.completion"'],
  ])("with failOpen %s answers %i", async (failOpen, status, part) => {
    const redis = await startedRedis();
    const state = { driver: "redis", url: redis.url, timeoutMs: 100 };
    const { stage } = await staged({ failOpen }, { state });
    expect((await send(stage, "before"))[0]).toBe(200);
    redis.pause();
    expect(await send(stage, "k")).toEqual([status, expect.stringContaining(part), false]);
    expect((await chat(stage)).status).toBe(200);
    redis.resume();
  });

  it("T8: that cannot be told of a request without an answer is told when it answers again", async () => {
    const redis = await startedRedis();
    const state = { driver: "redis", url: redis.url, timeoutMs: 100 };
    const upstream = await scripted(async (connection) => {
      for (let calls = 0; ; calls++) {
        await connection.readRequest();
        if (calls === 0) {
          redis.pause();
          // A store that was too slow once is not asked for a while.
          expect((await send(stage, "other"))[0]).toBe(503);
        }
        await connection.send(jsonReply({ error: { message: "no" } }, 500));
      }
    });
    const stage = await startStage({
      backends: { main: openaiAt(upstream) },
      plugins: [idempotencyKey()],
      state,
    });
    expect((await send(stage, "k"))[0]).toBe(502);
    redis.resume();
    const [status] = await waitFor("the key", async () => {
      const answer = await send(stage, "k");
      return answer[0] === 409 || answer[0] === 503 ? undefined : answer;
    });
    expect(status).toBe(502);
  });

  it("T8: that takes a key too late to say so gives it free when it answers again", async () => {
    const redis = await startedRedis();
    const { stage, backend } = await staged(
      {},
      { state: { driver: "redis", url: redis.url, timeoutMs: 100 } },
    );
    expect((await send(stage, "before"))[0]).toBe(200);
    redis.pause();
    expect((await send(stage, "k"))[0]).toBe(503);
    // The claim lies in the connection: it is carried out now.
    redis.resume();
    const [, text] = await waitFor("the key", async () => {
      const answer = await send(stage, "k");
      return answer[0] === 200 ? answer : undefined;
    });
    expect(await send(stage, "k")).toEqual([200, text, true]);
    expect(backend.requests).toHaveLength(2);
  });
});

it("T8: claims are decided alike in memory, file and Redis", async () => {
  const owner = fc.constantFrom("o1", "o2", "o3");
  const forMs = fc.integer({ min: 1, max: 3_000 });
  const keys = fc.constantFrom("a", "b").map((key) => [key]);
  const cases = [
    { op: claim, keys, args: fc.tuple(fc.constantFrom("f1", "f2"), owner, forMs) },
    { op: settle, keys, args: fc.tuple(owner, fc.constantFrom("answered", "free"), forMs) },
  ];
  await expectHistoriesEqual(cases, { seed: 8 });
});
