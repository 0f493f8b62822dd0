import { GatewayError } from "gatewright";
import type { Middleware, Reply, Target, UpstreamFailure } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { retry } from "@gatewright/retry";
import { backoffMs } from "../../plugins/retry/src/backoff.ts";
import { retryScope } from "../../plugins/retry/src/cause.ts";
import { RetryBudget } from "../../plugins/retry/src/retry-budget.ts";
import { RetryBudgets } from "../../plugins/retry/src/retry-budgets.ts";
import { Trail } from "../../plugins/retry/src/trail.ts";
import {
  createBackend,
  createDispatch,
  createHost,
  createOperation,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
} from "./_context.ts";
import type { Answer, FakeHost, FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

/** Half of the largest pause, always. */
const HALF = { random: () => 0.5 };

interface Scene {
  readonly options?: Parameters<typeof retry>[0];
  readonly request?: FakeRequest;
  readonly host?: FakeHost;
  /** Layers between retry and the balancer. */
  readonly between?: readonly Middleware[];
  /** What the backends answer, call by call; the last one stays. */
  readonly answers: readonly (Answer | ((ctx: FakeContext) => Answer))[];
}

interface Scenery {
  readonly reply: Promise<Reply>;
  readonly ctx: FakeContext;
  /** Ids of the targets called. */
  readonly calls: string[];
}

/** Sends one request through retry and a balancer. */
async function play({
  options,
  request,
  host = createHost(HALF),
  between = [],
  answers,
}: Scene): Promise<Scenery> {
  const [retrying, balancing] = await setupMiddlewares([retry(options), balancer()], host);
  const ctx = new FakeContext({ candidates: [createTarget("x")], ...request }, host);
  const calls: string[] = [];
  const dispatch = createDispatch((target) => {
    const answer = answers[Math.min(calls.length, answers.length - 1)]!;
    calls.push(target.id);
    return typeof answer === "function" ? answer(ctx) : answer;
  });
  const reply = run([retrying!, ...between, balancing!], ctx, dispatch);
  await reply.catch(() => {});
  return { reply, ctx, calls };
}

function pair(): [Target, Target] {
  return [createTarget("x"), createTarget("y")];
}

describePlugin({ folder: "retry", factory: "retry", create: () => retry() });

describe("causes", () => {
  interface Cause extends Partial<UpstreamFailure> {
    safe?: boolean;
    stream?: boolean;
  }
  const scopeOf = ({ safe = true, stream = false, ...fields }: Cause): string => {
    const failure: UpstreamFailure = { kind: "status", sent: true, ...fields };
    return retryScope({ failure, status: failure.status, replaySafe: safe, stream });
  };

  it.each([
    ["a refused connection", { kind: "connect", sent: false }],
    ["a TLS failure", { kind: "tls", sent: false }],
    ["T10: a request that HTTP/2 did not process", { kind: "reset", sent: false }],
  ] as const)("re-9: retries %s on any operation", (_, fields) => {
    expect(scopeOf({ ...fields, safe: false })).toBe("anywhere");
  });

  it.each([429, 500, 502, 503, 504, 529])("U13: retries %i where it is safe to repeat", (status) => {
    expect(scopeOf({ status })).toBe("anywhere");
    expect(scopeOf({ status, safe: false })).toBe("nowhere");
  });

  it.each([302, 400, 404, 408, 409, 413, 422, 501])("re-9: never retries %i", (status) => {
    expect(scopeOf({ status })).toBe("nowhere");
    expect(scopeOf({ status, stream: true })).toBe("nowhere");
    expect(scopeOf({ status, stream: true, kind: "malformed" })).toBe("nowhere");
  });

  it.each([401, 403])("re-11: tries %i on other backends only", (status) => {
    expect(scopeOf({ status })).toBe("elsewhere");
    expect(scopeOf({ status, safe: false })).toBe("elsewhere");
  });

  it.each([
    ["a 429 of `insufficient_quota`", { status: 429, code: "insufficient_quota" }],
    ["a 400 of `billing_not_active`", { status: 400, code: "Billing_Not_Active" }],
    ["a 402", { status: 402 }],
  ])("re-10: tries %s, whose account is used up, on other backends only", (_, fields) => {
    expect(scopeOf(fields)).toBe("elsewhere");
    expect(scopeOf({ ...fields, safe: false })).toBe("elsewhere");
  });

  it.each(["reset", "timeout", "malformed"] as const)(
    "U3, U5: retries a %s before headers, T5: unless it is unsafe to repeat",
    (kind) => {
      expect(scopeOf({ kind })).toBe("anywhere");
      expect(scopeOf({ kind, safe: false })).toBe("nowhere");
    },
  );

  it.each(["reset", "truncated", "stalled", "timeout", "malformed", "stream_error"] as const)(
    "U4, U6: after headers retries a %s of a stream that has not begun, but not of a JSON reply",
    (kind) => {
      expect(scopeOf({ kind, status: 200, stream: true })).toBe("anywhere");
      expect(scopeOf({ kind, status: 200 })).toBe("nowhere");
      expect(scopeOf({ kind, status: 200, stream: true, safe: false })).toBe("nowhere");
    },
  );

  it("does not repeat a stream whose error event blames the request", () => {
    expect(scopeOf({ kind: "stream_error", status: 400, stream: true })).toBe("nowhere");
    expect(scopeOf({ kind: "stream_error", status: 529, stream: true })).toBe("anywhere");
  });
});

describe("pauses", () => {
  it("lie between 0 and a bound that doubles up to the largest", () => {
    const options = { baseDelayMs: 500, maxDelayMs: 8_000 };
    const largest = [0, 1, 2, 3, 4, 5].map((returns) => backoffMs(options, returns, 1));
    expect(largest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000]);
    expect(backoffMs(options, 3, 0)).toBe(0);
    expect(backoffMs(options, 3, 0.25)).toBe(1_000);
  });
});

describe("order of targets", () => {
  const shared = createBackend("shared");
  const [first, second] = [
    createTarget("shared", { backend: shared, model: "big" }),
    createTarget("shared", { backend: shared, model: "small" }),
  ];
  const other = createTarget("other");
  const weightless = createTarget("weightless", { weight: 0 });
  const all = [first, second, other, weightless];

  it("another backend at once, then another target of a tried one, then a tried target", () => {
    const trail = new Trail();
    trail.failed(first, 0);
    expect(trail.next(all, 0, 250)).toEqual({ candidates: [other], delayMs: 0 });
    trail.failed(other, 0);
    expect(trail.next(all, 0, 250)).toEqual({ candidates: [second], delayMs: 250 });
    trail.failed(second, 0);
    expect(trail.next(all, 0, 250)).toEqual({ candidates: [first, second, other], delayMs: 250 });
  });

  it("re-12: waits for the target whose Retry-After ends first, when all asked for time", () => {
    const trail = new Trail();
    trail.failed(first, 5_000);
    trail.failed(second, 9_000);
    trail.failed(other, 2_000);
    expect(trail.next(all, 1_000, 250)).toEqual({ candidates: [other], delayMs: 1_000 });
    expect(trail.next(all, 1_000, 4_500)).toEqual({ candidates: [first, other], delayMs: 4_500 });
  });

  it("re-11: passes every target of a backend that refuses the credential", () => {
    const trail = new Trail();
    trail.failed(first, 0);
    trail.bar(first);
    expect(trail.next([first, second], 0, 250)).toBeUndefined();
    expect(trail.next(all, 0, 250)).toEqual({ candidates: [other], delayMs: 0 });
  });

  it("passes targets that were refused on the way", () => {
    const trail = new Trail();
    trail.failed(first, 0);
    trail.refuse([other, second]);
    expect(trail.next(all, 0, 250)).toEqual({ candidates: [first], delayMs: 250 });
  });
});

describe("budget", () => {
  const options = { ratio: 0.2, ttlMs: 10_000, minPerSecond: 0, concurrentShare: 0.2, minConcurrent: 3 };

  /** Withdraws until refused. */
  function drain(budget: RetryBudget, nowMs: number): number {
    let granted = 0;
    while (budget.withdraw(nowMs)) granted++;
    return granted;
  }

  it("grants a retry for five first attempts, and none for four", () => {
    const budget = new RetryBudget(options);
    for (let count = 0; count < 4; count++) budget.deposit(0);
    expect(budget.withdraw(0)).toBe(false);
    budget.deposit(0);
    expect(drain(budget, 0)).toBe(1);
  });

  it("lets a first attempt count for ten seconds, less a hundredth", () => {
    const budget = new RetryBudget(options);
    for (let count = 0; count < 10; count++) budget.deposit(50);
    expect(budget.withdraw(9_950)).toBe(true);
    expect(budget.withdraw(10_050)).toBe(false);
  });

  it("takes the oldest first attempts first", () => {
    const budget = new RetryBudget(options);
    for (let count = 0; count < 5; count++) budget.deposit(0);
    for (let count = 0; count < 5; count++) budget.deposit(5_000);
    expect(budget.withdraw(6_000)).toBe(true);
    expect(drain(budget, 12_000)).toBe(1);
  });

  it("grants a floor each second besides, which does not pile up", () => {
    const budget = new RetryBudget({ ...options, minPerSecond: 10 });
    expect(drain(budget, 0)).toBe(10);
    expect(drain(budget, 99)).toBe(0);
    expect(drain(budget, 100)).toBe(1);
    expect(drain(budget, 60_000)).toBe(10);
  });

  it("never grants more than a fifth of the first attempts and the floor, however they come", () => {
    const events = fc.array(fc.tuple(fc.boolean(), fc.nat(400)), { maxLength: 300 });
    fc.assert(
      fc.property(events, (events) => {
        const budget = new RetryBudget({ ...options, minPerSecond: 2 });
        let [now, deposited, granted] = [0, 0, 0];
        for (const [isFirst, pause] of events) {
          now += pause;
          if (isFirst) budget.deposit(now);
          if (isFirst) deposited++;
          else if (budget.withdraw(now)) granted++;
        }
        expect(granted).toBeLessThanOrEqual(0.2 * deposited + 2 + (2 * now) / 1_000);
      }),
      { seed: 13 },
    );
  });

  it("lets three requests retry at once, or a fifth of the attempts in flight", () => {
    const budget = new RetryBudget(options);
    expect([0, 0, 0, 0].map((inFlight) => budget.enter(inFlight))).toEqual([true, true, true, false]);
    expect([19, 20, 24, 25].map((inFlight) => budget.enter(inFlight))).toEqual([false, true, false, true]);
    budget.leave();
    expect(budget.enter(25)).toBe(true);
    expect(budget.enter(25)).toBe(false);
  });

  it("is one for each model, of a bounded number", () => {
    const budgets = new RetryBudgets(options);
    const first = budgets.of("m");
    expect(budgets.of("m")).toBe(first);
    expect(budgets.of("other")).not.toBe(first);
    for (let index = 0; index < 1_000; index++) budgets.of(`m${index}`);
    expect(budgets.of("m")).not.toBe(first);
  });
});

describe("retry", () => {
  it("re-9: answers 200 after 503, 503 on one backend, by three calls and two growing pauses", async () => {
    const { reply, ctx, calls } = await play({ answers: [503, 503, 200] });
    expect((await reply).status).toBe(200);
    expect(calls).toHaveLength(3);
    expect(ctx.sleeps).toEqual([250, 500]);
  });

  it("re-9: calls once for a 400", async () => {
    const { reply, calls } = await play({ answers: [400] });
    const error = await failureOf(reply);
    expect(calls).toHaveLength(1);
    expect(error.headers).toEqual({});
  });

  it("T6: lets the last failure out with x-should-retry: false when attempts are exhausted", async () => {
    const { reply, calls } = await play({ answers: [500, 502, 503] });
    const error = await failureOf(reply);
    expect(calls).toHaveLength(3);
    expect(error.upstream?.status).toBe(503);
    expect(error.headers["x-should-retry"]).toBe("false");
  });

  it("re-10: goes to the other backend without a pause", async () => {
    const { reply, ctx, calls } = await play({
      request: { candidates: pair() },
      answers: [{ kind: "reset" }, 200],
    });
    expect((await reply).body).toBe("y/m");
    expect(calls).toEqual(["x/m", "y/m"]);
    expect(ctx.sleeps).toEqual([]);
  });

  it("re-10: returns to a tried backend after a pause, when each was tried", async () => {
    const { calls, ctx } = await play({ request: { candidates: pair() }, answers: [500] });
    expect(calls.slice(0, 2)).toEqual(["x/m", "y/m"]);
    expect(calls).toHaveLength(3);
    expect(ctx.sleeps).toEqual([250]);
  });

  it("re-10: skips refused targets without counting an attempt, and returns to the tried one", async () => {
    const [x, y] = pair();
    const breaker: Middleware = (ctx, next) => {
      ctx.candidates = ctx.candidates.filter((target) => target !== y);
      if (ctx.candidates.length > 0) return next();
      return Promise.reject(new GatewayError("circuit_breaker_open", { status: 503 }));
    };
    const { reply, ctx, calls } = await play({
      request: { candidates: [x, y] },
      between: [breaker],
      answers: [503, 503, 200],
    });
    expect((await reply).status).toBe(200);
    expect(calls).toEqual(["x/m", "x/m", "x/m"]);
    expect(ctx.sleeps).toEqual([250, 500]);
  });

  it("lets the upstream's failure out when nobody lets the request through any more", async () => {
    let asked = 0;
    const limit: Middleware = (_, next) =>
      asked++ === 0 ? next() : Promise.reject(new GatewayError("no_available_instances"));
    const { reply, calls } = await play({ between: [limit], answers: [429] });
    const error = await failureOf(reply);
    expect(error.upstream?.status).toBe(429);
    expect(calls).toHaveLength(1);
    expect(asked).toBe(2);
  });

  it("passes on what a further attempt is refused for, when that is the request's own fault", async () => {
    let asked = 0;
    const translation: Middleware = (_, next) =>
      asked++ === 0 ? next() : Promise.reject(new GatewayError("unsupported_parameter"));
    const { reply } = await play({ between: [translation], answers: [500] });
    expect((await failureOf(reply)).code).toBe("unsupported_parameter");
  });

  it.each(["rate_limit_exceeded", "no_available_instances", "circuit_breaker_open", "overloaded"])(
    "never retries a refusal of our own: %s",
    async (code) => {
      let asked = 0;
      const refusal = new GatewayError(code, { status: 503 });
      const { reply } = await play({ between: [() => (asked++, Promise.reject(refusal))], answers: [200] });
      expect(await failureOf(reply)).toBe(refusal);
      expect(asked).toBe(1);
      expect(refusal.headers).toEqual({});
    },
  );

  it("passes on a fault that is no upstream failure", async () => {
    const fault = new TypeError("broken plugin");
    const { reply } = await play({ between: [() => Promise.reject(fault)], answers: [200] });
    await expect(reply).rejects.toBe(fault);
  });

  it("U6: calls once for a JSON reply that breaks off after its headers", async () => {
    const broken = { kind: "reset", attemptStatus: 200 } as const;
    expect((await play({ answers: [broken, 200] })).calls).toHaveLength(1);
    expect((await play({ request: { stream: true }, answers: [broken, 200] })).calls).toHaveLength(2);
  });

  it("T5: never repeats what was sent of an operation that is unsafe to repeat", async () => {
    const request = { operation: createOperation("responses", { replaySafe: false }), candidates: pair() };
    expect((await play({ request, answers: [{ kind: "reset" }, 200] })).calls).toHaveLength(1);
    expect((await play({ request, answers: [503, 200] })).calls).toHaveLength(1);
    expect((await play({ request, answers: [{ kind: "connect", sent: false }, 200] })).calls).toHaveLength(2);
  });

  it("M7: does not retry an upload that was not kept, and says so", async () => {
    const { reply, calls } = await play({
      request: { replayable: false, candidates: pair() },
      answers: [{ kind: "reset" }, 200],
    });
    const error = await failureOf(reply);
    expect(calls).toHaveLength(1);
    expect(error.message).toContain("cannot be sent again");
    expect(error.headers).toEqual({});
  });

  it("re-11: answers from the second account after a 401 of the first", async () => {
    const { reply, calls } = await play({ request: { candidates: pair() }, answers: [401, 200] });
    expect((await reply).status).toBe(200);
    expect(calls).toEqual(["x/m", "y/m"]);
  });

  it("re-11: never repeats a 401 or 403, and lets upstream_auth_error out when no account is left", async () => {
    const { reply, calls, ctx } = await play({
      options: { maxAttempts: 5 },
      request: { candidates: pair() },
      answers: [401, 403],
    });
    const error = await failureOf(reply);
    expect([error.status, error.code]).toEqual([502, "upstream_auth_error"]);
    expect(calls).toEqual(["x/m", "y/m"]);
    expect(ctx.sleeps).toEqual([]);
  });

  it("re-10: never repeats a 429 of an account that is used up, Retry-After or not", async () => {
    const spent = { status: 429, code: "insufficient_quota", retryAfterMs: 10 };
    const alone = await play({ answers: [spent, 200] });
    expect((await failureOf(alone.reply)).upstream?.code).toBe("insufficient_quota");
    expect(alone.calls).toEqual(["x/m"]);
    expect(alone.ctx.sleeps).toEqual([]);
    const both = await play({ request: { candidates: pair() }, answers: [spent, 200] });
    expect((await both.reply).status).toBe(200);
    expect(both.calls).toEqual(["x/m", "y/m"]);
    const limited = await play({ answers: [{ status: 429, code: "rate_limit_exceeded" }, 200] });
    expect((await limited.reply).status).toBe(200);
  });

  it("re-11: returns to a backend that failed, but not to the one that refused the credential", async () => {
    const { reply, calls } = await play({ request: { candidates: pair() }, answers: [401, 500, 200] });
    expect((await reply).status).toBe(200);
    expect(calls).toEqual(["x/m", "y/m", "y/m"]);
  });

  it("U12, re-12: waits for the Retry-After of the only backend", async () => {
    const { reply, ctx } = await play({ answers: [{ status: 429, retryAfterMs: 2_000 }, 200] });
    expect((await reply).status).toBe(200);
    expect(ctx.sleeps).toEqual([2_000]);
  });

  it("re-12: sends to another backend first, without waiting for the first one's Retry-After", async () => {
    const { ctx, calls } = await play({
      request: { candidates: pair() },
      answers: [{ status: 429, retryAfterMs: 2_000 }, 200],
    });
    expect(calls).toEqual(["x/m", "y/m"]);
    expect(ctx.sleeps).toEqual([]);
  });

  it("U12, re-12: lets the 429 out at once when its Retry-After does not fit into the deadline", async () => {
    const { reply, ctx, calls } = await play({
      request: { deadlineMs: 2_500 },
      answers: [{ status: 429, retryAfterMs: 2_000 }, 200],
    });
    // 2 s, and 1 s for the answer of a backend that has not answered yet.
    expect((await failureOf(reply)).upstream?.status).toBe(429);
    expect(calls).toHaveLength(1);
    expect(ctx.sleeps).toEqual([]);
  });

  it("expects the wait for headers that a target's replies have shown", async () => {
    const host = createHost(HALF);
    const [retrying] = await setupMiddlewares([retry()], host);
    const candidates = [createTarget("x")];
    const answers = [200, { status: 429, retryAfterMs: 2_000 }, 200];
    const dispatch = createDispatch(() => answers.shift()!);
    await run([retrying!], new FakeContext({ candidates }, host), dispatch);
    // Headers took 100 ms, so that 2 s and those fit into 2.5 s.
    const ctx = new FakeContext({ candidates, deadlineMs: 2_500 }, host);
    expect((await run([retrying!], ctx, dispatch)).status).toBe(200);
  });

  it("never retries for a client that left", async () => {
    const { reply, calls } = await play({ answers: [(ctx) => (ctx.leave(), 503), 200] });
    await failureOf(reply);
    expect(calls).toHaveLength(1);
  });

  it("stops pausing when the client leaves", async () => {
    const { reply, calls } = await play({
      answers: [
        (ctx) => {
          const sleep = ctx.sleep.bind(ctx);
          ctx.sleep = (ms) => (ctx.leave(), sleep(ms));
          return 503;
        },
        200,
      ],
    });
    expect((await failureOf(reply)).code).toBe("client_closed_request");
    expect(calls).toHaveLength(1);
  });

  it("hands the candidates of the first attempt on, not what filters left of them", async () => {
    const [x, y] = pair();
    let attempt = 0;
    const seen: string[][] = [];
    const filter: Middleware = (ctx, next) => {
      seen.push(ctx.candidates.map(({ id }) => id));
      if (attempt++ === 0) ctx.candidates = [x];
      return next();
    };
    const { calls } = await play({ request: { candidates: [x, y] }, between: [filter], answers: [500, 200] });
    expect(seen).toEqual([["x/m", "y/m"], ["y/m"]]);
    expect(calls).toEqual(["x/m", "y/m"]);
  });

  it("lets the first failure out with x-should-retry: false when the budget is empty", async () => {
    const { reply, calls } = await play({ options: { budget: { minPerSecond: 0 } }, answers: [503, 200] });
    const error = await failureOf(reply);
    expect(calls).toHaveLength(1);
    expect(error.headers["x-should-retry"]).toBe("false");
  });

  it("retries a fifth of an outage's requests and the floor", async () => {
    const host = createHost(HALF);
    const middlewares = await setupMiddlewares([retry({ maxAttempts: 2 })], host);
    let calls = 0;
    const dispatch = createDispatch(() => (calls++, 503));
    const candidates = [createTarget("x")];
    for (let index = 0; index < 100; index++) {
      // The clock stands still, so that pauses refill nothing.
      host.nowMs = 0;
      await failureOf(run(middlewares, new FakeContext({ candidates }, host), dispatch));
    }
    expect(calls).toBe(100 + 20 + 10);
  });

  it("lets three requests at most retry at once while little is in flight", async () => {
    const host = createHost(HALF);
    const middlewares = await setupMiddlewares([retry({ maxAttempts: 2 })], host);
    let calls = 0;
    const dispatch = createDispatch(() => (calls++, 503));
    const candidates = [createTarget("x")];
    const replies = Array.from({ length: 10 }, () =>
      run(middlewares, new FakeContext({ candidates }, host), dispatch),
    );
    const errors = await Promise.all(replies.map(failureOf));
    expect(calls).toBe(13);
    expect(errors.every(({ headers }) => headers["x-should-retry"] === "false")).toBe(true);
  });

  /** As a fallback plugin does. */
  const toOtherModel: Middleware = async (_, next) => {
    try {
      return await next();
    } catch {
      return next({ model: "other" });
    }
  };

  it("counts attempts on another model towards those of the request", async () => {
    const host = createHost(HALF);
    const middlewares = await setupMiddlewares([retry()], host);
    const ctx = new FakeContext({ candidates: [createTarget("x")] }, host);
    await failureOf(
      run(
        [toOtherModel, ...middlewares],
        ctx,
        createDispatch(() => 503),
      ),
    );
    // Three on the first model; the other model's own try is the fallback's decision, and is not repeated.
    expect(ctx.attempts).toHaveLength(4);
  });

  it("charges the first attempt on another model as a retry", async () => {
    const host = createHost(HALF);
    const middlewares = await setupMiddlewares([retry({ budget: { ratio: 0, minPerSecond: 1 } })], host);
    const candidates = [createTarget("x")];
    const answers = [400, 200, 503];
    const dispatch = createDispatch(() => answers.shift()!);
    await run([toOtherModel, ...middlewares], new FakeContext({ candidates }, host), dispatch);
    // The only token of that second is gone.
    const direct = new FakeContext({ candidates, model: "other" }, host);
    const error = await failureOf(run(middlewares, direct, dispatch));
    expect(error.headers["x-should-retry"]).toBe("false");
    expect(direct.attempts).toHaveLength(1);
  });

  it("does not compile with a slip in an option", () => {
    // @ts-expect-error `maxAttempts`.
    expect(findFaults(retry({ maxAttempt: 2 }))).toHaveLength(1);
  });

  it.each([
    [{ maxAttempt: 2 }, "maxAttempt"],
    [{ maxAttempts: 0 }, "maxAttempts"],
    [{ budget: { ratio: 2 } }, "budget.ratio"],
    [{ baseDelayMs: 9_000 }, ""],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(retry(options as never)).map((fault) => fault.path)).toEqual([path]);
  });
});
