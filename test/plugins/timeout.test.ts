import { GatewayError } from "gatewright";
import type { BodySink, BodyStream, Context, EventStream, Plugin, Reply } from "gatewright";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { balancer } from "@gatewright/balancer";
import { hedge } from "@gatewright/hedge";
import { retry } from "@gatewright/retry";
import { timeout } from "@gatewright/timeout";
import { LimitClock } from "../../plugins/timeout/src/limit-clock.ts";
import { createLimitsTable } from "../../plugins/timeout/src/limits-table.ts";
import { timeStream } from "../../plugins/timeout/src/timed-stream.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import {
  chat,
  chatStream,
  errorEvent,
  errorOf,
  MODEL,
  openaiAt,
  post,
  simulated,
  startStage,
} from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { createHost, createOperation, createTarget, failureOf, FakeContext, findFaults } from "./_context.ts";
import { run, setupMiddlewares } from "./_context.ts";
import type { FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

const DAY_MS = 86_400_000;

describePlugin({ folder: "timeout", factory: "timeout", create: () => timeout({ totalMs: 60_000 }) });

describe("which limits hold", () => {
  const limitsOf = createLimitsTable({
    totalMs: 10,
    idleMs: 20,
    operations: { embeddings: { totalMs: 5 } },
    models: { slow: { totalMs: 40, firstTokenMs: 30 } },
  });
  const of = (operation: "chat" | "embeddings", model: string) =>
    limitsOf({ operation: createOperation(operation), model });

  it("are the general ones, the operation's over them, and the model's over both, one by one", () => {
    expect(of("chat", "m")).toEqual({ totalMs: 10, idleMs: 20 });
    expect(of("embeddings", "m")).toEqual({ totalMs: 5, idleMs: 20 });
    expect(of("chat", "slow")).toEqual({ totalMs: 40, idleMs: 20, firstTokenMs: 30 });
    expect(of("embeddings", "slow")).toEqual({ totalMs: 40, idleMs: 20, firstTokenMs: 30 });
  });

  it("are none where none is set", () => {
    const limitsOf = createLimitsTable({ operations: { embeddings: { totalMs: 5 } }, models: {} });
    expect(limitsOf({ operation: createOperation("chat"), model: "m" })).toBeUndefined();
  });

  it.each([
    [{ totalMs: 0 }, "totalMs"],
    [{ totalMs: 600_001 }, "totalMs"],
    [{ operations: { chat: { total: 1 } } }, "operations.chat.total"],
    [{ models: { m: { idleMs: "1s" } } }, "models.m.idleMs"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(timeout(options as never)).map((fault) => fault.path)).toEqual([path]);
  });

  it("does not compile with a slip in an operation's name", () => {
    // @ts-expect-error `embeddings`.
    expect(timeout({ operations: { embedings: { totalMs: 5 } } }).name).toBe("timeout");
  });
});

describe("a limit on the way to the reply", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A dispatch that answers after some time, unless it is given up. */
  function slow(ms: number, before: (ctx: Context) => void = () => {}): (ctx: Context) => Promise<Reply> {
    return (ctx) =>
      new Promise((resolve, reject) => {
        before(ctx);
        const timer = setTimeout(() => resolve({ status: 200, headers: {}, body: "late" }), ms);
        const { signal } = ctx;
        signal.addEventListener("abort", () => {
          clearTimeout(timer);
          reject(signal.reason as Error);
        });
      });
  }

  async function send(plugin: Plugin, request: FakeRequest, dispatch: (ctx: Context) => Promise<Reply>) {
    const host = createHost();
    const middlewares = await setupMiddlewares([plugin], host);
    const reply = run(
      middlewares,
      new FakeContext({ candidates: [createTarget("x")], ...request }, host),
      dispatch,
    );
    const failure = failureOf(reply).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(DAY_MS);
    return (await failure) ?? reply;
  }

  it("re-13: breaks after `totalMs` with 504, which names the limit in seconds", async () => {
    const error = await send(timeout({ totalMs: 2_000 }), {}, slow(2_001));
    expect(error).toMatchObject({
      status: 504,
      code: "timeout",
      type: "gateway_timeout",
      message: "Request timeout after 2 seconds",
      upstream: { kind: "timeout" },
    });
    expect(await send(timeout({ totalMs: 1_000 }), {}, slow(1_001))).toMatchObject({
      message: "Request timeout after 1 second",
    });
  });

  it("leaves no timer behind when it holds", async () => {
    expect(await send(timeout({ totalMs: 2_000, firstByteMs: 500 }), {}, slow(100))).toMatchObject({
      body: "late",
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is `firstTokenMs` for streams and audio, and not for replies that come whole", async () => {
    const plugin = timeout({ firstTokenMs: 300, totalMs: 5_000 });
    expect(await send(plugin, { stream: true }, slow(400))).toMatchObject({
      message: "Request timeout after 0.3 seconds",
    });
    const speech = createOperation("speech", { reply: "binary" });
    expect(await send(plugin, { operation: speech }, slow(400))).toMatchObject({ status: 504 });
    expect(await send(plugin, {}, slow(400))).toMatchObject({ status: 200 });
    expect(await send(plugin, {}, slow(5_001))).toMatchObject({ message: "Request timeout after 5 seconds" });
  });

  it("is the smaller of `totalMs` and `firstTokenMs` where both hold", async () => {
    const plugin = timeout({ firstTokenMs: 3_000, totalMs: 2_000 });
    expect(await send(plugin, { stream: true }, slow(2_500))).toMatchObject({
      message: "Request timeout after 2 seconds",
    });
  });

  it("is `firstByteMs` only as long as no running attempt has response headers", async () => {
    const plugin = timeout({ firstByteMs: 500 });
    const attempt = (fields: object) => (ctx: Context) =>
      void (ctx.attempts as unknown[]).push({
        number: 1,
        target: createTarget("x"),
        startedAt: 0,
        ...fields,
      });
    expect(await send(plugin, {}, slow(600, attempt({})))).toMatchObject({ status: 504 });
    expect(await send(plugin, {}, slow(600, attempt({ timeToFirstByteMs: 9 })))).toMatchObject({
      status: 200,
    });
    const failed = attempt({ timeToFirstByteMs: 9, outcome: "upstream_error" });
    expect(await send(plugin, {}, slow(600, failed))).toMatchObject({ status: 504 });
  });

  it("stands still while the client is waited for: an upload is laid to nobody behind it", async () => {
    let waitedMs = 500;
    const broken: number[] = [];
    const clock = new LimitClock({ uploadWaitMs: () => waitedMs }, 1_000, () => broken.push(Date.now()));
    const begun = Date.now();
    // Waited for during 600 ms of the first second, and during 200 ms of what is made up for that.
    vi.advanceTimersByTime(999);
    waitedMs += 600;
    vi.advanceTimersByTime(600);
    waitedMs += 200;
    vi.advanceTimersByTime(10_000);
    expect(broken.map((at) => at - begun)).toEqual([1_800]);
    clock.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps the target that was chosen before", async () => {
    const target = createTarget("chosen");
    const host = createHost();
    const [middleware] = await setupMiddlewares([timeout({ totalMs: 5 })], host);
    const ctx = new FakeContext({ candidates: [target] }, host);
    ctx.target = target;
    let seen: unknown;
    await run([middleware!], ctx, (inner) => {
      seen = inner.target;
      return Promise.resolve({ status: 200, headers: {}, body: null });
    });
    expect(seen).toBe(target);
  });
});

describe("a limit on a stream that has begun", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A stream fed by hand, and what came out of it. */
  function scene(limits: Parameters<typeof timeStream>[1], { hasAttempt = true } = {}) {
    let sink: BodySink | undefined;
    const out: string[] = [];
    const calls: string[] = [];
    const inner: BodyStream = {
      start: (given) => void (sink = given),
      pause: () => void calls.push("pause"),
      resume: () => void calls.push("resume"),
      cancel: () => void calls.push("cancel"),
    };
    const stream = timeStream(inner, limits, (error) => {
      if (hasAttempt) sink?.fail(error);
    });
    stream.start({
      data: (chunk) => void out.push(String(chunk)),
      end: () => void out.push("end"),
      fail: ({ code, upstream }) => void out.push(`${code} ${upstream?.kind}`),
    });
    return { stream, out, calls, feed: sink! };
  }

  it("lets bytes pass untouched, and ends with them", () => {
    const { feed, out } = scene({ idleMs: 100, maxStreamMs: 1_000 });
    feed.data(Buffer.from("a"));
    vi.advanceTimersByTime(99);
    feed.data(Buffer.from("b"));
    vi.advanceTimersByTime(99);
    feed.end();
    vi.advanceTimersByTime(DAY_MS);
    expect(out).toEqual(["a", "b", "end"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("breaks it after `idleMs` without a piece", () => {
    const { feed, out, calls } = scene({ idleMs: 100 });
    feed.data(Buffer.from("a"));
    vi.advanceTimersByTime(100);
    expect(out).toEqual(["a", "upstream_interrupted stalled"]);
    expect(calls).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends a stream itself that has no attempt behind it", () => {
    const { out, calls } = scene({ idleMs: 100 }, { hasAttempt: false });
    vi.advanceTimersByTime(100);
    expect(out).toEqual(["upstream_interrupted stalled"]);
    expect(calls).toEqual(["cancel"]);
  });

  it("does not take a client that does not read for a silent backend", () => {
    const { stream, feed, out, calls } = scene({ idleMs: 100 });
    stream.pause();
    vi.advanceTimersByTime(DAY_MS);
    stream.resume();
    vi.advanceTimersByTime(99);
    feed.data(Buffer.from("a"));
    expect(out).toEqual(["a"]);
    vi.advanceTimersByTime(100);
    expect(out).toEqual(["a", "upstream_interrupted stalled"]);
    expect(calls).toEqual(["pause", "resume"]);
  });

  it("breaks it after `maxStreamMs`, however lively", () => {
    const { feed, out } = scene({ maxStreamMs: 250 });
    for (let piece = 0; piece < 3; piece++) {
      vi.advanceTimersByTime(100);
      feed.data(Buffer.from("a"));
    }
    expect(out).toEqual(["a", "a", "upstream_interrupted timeout"]);
  });

  it("stops with a cancelled stream", () => {
    const { stream, out, calls } = scene({ idleMs: 100, maxStreamMs: 200 });
    stream.cancel();
    vi.advanceTimersByTime(DAY_MS);
    expect([out, calls]).toEqual([[], ["cancel"]]);
  });

  it("hands observers and transforms of an event stream on", () => {
    const calls: unknown[] = [];
    const inner = {
      kind: "events",
      observe: (observer: unknown) => void calls.push(observer),
      transform: (transform: unknown) => void calls.push(transform),
    } as unknown as EventStream;
    const stream = timeStream(inner, { idleMs: 1 }, () => {}) as EventStream;
    const [observer, transform] = [{}, () => null];
    stream.observe(observer);
    stream.transform(transform);
    expect(stream.kind).toBe("events");
    expect(calls).toEqual([observer, transform]);
  });
});

interface Pair {
  readonly stage: Stage;
  readonly first: SimulatedBackend;
  readonly second: SimulatedBackend;
}

/** Two backends of one model, asked in the order of the config. */
async function pair(...plugins: Plugin[]): Promise<Pair> {
  const [first, second] = [await simulated({ name: "first" }), await simulated({ name: "second" })];
  const stage = await startStage({
    backends: { first: openaiAt(first), second: openaiAt(second) },
    plugins: [...plugins, balancer({ strategy: "priority" })],
  });
  return { stage, first, second };
}

const NEVER_MS = 600_000;

describe("in the gateway", () => {
  it("re-13 U3: closes the call of a silent backend and answers 504", async () => {
    const { stage, first } = await pair(timeout({ totalMs: 100 }));
    first.faults = [{ kind: "no_answer" }];
    const response = await chat(stage);
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toMatchObject({
      type: "gateway_timeout",
      code: "timeout",
      message: "Request timeout after 0.1 seconds",
    });
    await first.requests[0]!.closed;
    expect(first.requests[0]!.aborted).toBe(true);
    const end = await stage.ended();
    expect(end.outcome).toBe("upstream_error");
    expect(end.attempts[0]).toMatchObject({
      outcome: "upstream_error",
      error: { upstream: { kind: "timeout" } },
    });
  });

  it("re-10: fails over within a retry when the first token is late", async () => {
    const { stage, first, second } = await pair(retry(), timeout({ firstTokenMs: 1_000 }));
    first.faults = [{ kind: "slow_first_token", ms: NEVER_MS }];
    expect(await chatStream(stage)).toMatch(/\[DONE\]\n\n$/);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ outcome }) => outcome)).toEqual(["upstream_error", "complete"]);
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("holds for all attempts together when listed before the retry", async () => {
    const { stage, first, second } = await pair(timeout({ totalMs: 1_000 }), retry());
    first.faults = [{ kind: "status", status: 503 }];
    second.faults = [{ kind: "no_answer" }];
    const response = await chat(stage);
    expect(response.status).toBe(504);
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("ends both calls of a hedged request, each with an error of its own", async () => {
    const { stage, first, second } = await pair(timeout({ totalMs: 1_000 }), hedge({ afterMs: 20 }));
    first.faults = [{ kind: "no_answer" }];
    second.faults = [{ kind: "no_answer" }];
    expect((await chat(stage)).status).toBe(504);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ error }) => error?.attempt?.number)).toEqual([1, 2]);
  });

  it("never cuts a healthy stream after its first content", async () => {
    const { stage, first } = await pair(timeout({ totalMs: 1_000, firstTokenMs: 1_000, firstByteMs: 1_000 }));
    Object.assign(first.settings, { tokens: 12, tokenMs: 100 });
    expect(await chatStream(stage)).toMatch(/\[DONE\]\n\n$/);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("U4 E9: ends a stream that stalls for `idleMs` in an error event", async () => {
    const { stage, first } = await pair(timeout({ idleMs: 500 }));
    first.faults = [{ kind: "stall", afterEvents: 5 }];
    const stream = await chatStream(stage);
    expect(errorEvent(stream)).toMatchObject({ type: "provider_error", code: "upstream_interrupted" });
    const end = await stage.ended();
    expect(end.outcome).toBe("truncated");
    expect(end.attempts[0]).toMatchObject({ outcome: "truncated", error: { upstream: { kind: "stalled" } } });
    await first.requests[0]!.closed;
  });

  it("E8: adds the terminator to a stream that stalls after its finish", async () => {
    const { stage, first } = await pair(timeout({ idleMs: 500 }));
    first.settings.tokens = 3;
    // The role, three tokens and the finish; then neither usage nor terminator.
    first.faults = [{ kind: "stall", afterEvents: 5 }];
    expect(await chatStream(stage)).toMatch(/\[DONE\]\n\n$/);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("limits an operation by itself", async () => {
    const { stage, first } = await pair(timeout({ operations: { embeddings: { totalMs: 50 } } }));
    first.faults = [{ kind: "no_answer" }, { kind: "delay", ms: 150 }];
    expect((await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "Hi" })).status).toBe(504);
    expect((await chat(stage)).status).toBe(200);
  });

  it("passes the failure of a client that leaves on as it is", async () => {
    const { stage, first } = await pair(timeout({ totalMs: NEVER_MS }));
    first.faults = [{ kind: "no_answer" }];
    const client = new AbortController();
    const left = chat(stage, {}, { signal: client.signal }).catch(() => "left");
    await vi.waitFor(() => expect(first.requests).toHaveLength(1));
    client.abort();
    await left;
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "client_abort", status: 499 });
    expect(end.error).toBeInstanceOf(GatewayError);
  });
});
