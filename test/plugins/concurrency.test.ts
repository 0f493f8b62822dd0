import { concurrency } from "@gatewright/concurrency";
import { GatewayError, StateUnavailable } from "gatewright";
import type { Plugin, Reply, State } from "gatewright";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FairQueue } from "../../plugins/concurrency/src/fair-queue.ts";
import { giveLease, renewLeases, takeLease } from "../../plugins/concurrency/src/leases.ts";
import { SharedSlots } from "../../plugins/concurrency/src/shared-slots.ts";
import { expectHistoriesEqual } from "../_support/atomic-op-suite.ts";
import {
  createHost,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
  setupPlugin,
} from "./_context.ts";
import type { FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

type Options = Parameters<typeof concurrency>[0];

describePlugin({ folder: "concurrency", factory: "concurrency", create: () => concurrency() });

/** A gateway whose backend answers when it is told to. */
async function open(options: Options) {
  const host = createHost();
  const middlewares = await setupMiddlewares([concurrency(options)], host);
  const running: { ctx: FakeContext; answer(): void }[] = [];
  return {
    host,
    /** Requests at the backend now, in order of arrival there. */
    running,
    send(who?: string, { left = false, ...request }: FakeRequest & { left?: boolean } = {}) {
      const ctx = new FakeContext({ candidates: [createTarget("x")], ...request }, host);
      if (who !== undefined) ctx.principal = { id: who };
      if (left) ctx.leave();
      const reply = run(
        middlewares,
        ctx,
        () =>
          new Promise<Reply>((resolve) => {
            running.push({ ctx, answer: () => resolve({ status: 200, headers: {}, body: who ?? null }) });
          }),
      );
      // Failures are looked at later.
      reply.catch(() => {});
      return { ctx, reply };
    },
    /** Ends the oldest request at the backend, to its last byte, and says whose it was. */
    async finishOne(): Promise<string | undefined> {
      const { ctx, answer } = running.shift()!;
      answer();
      ctx.finish({ durationMs: 0 });
      await settled();
      return ctx.principal?.id;
    },
  };
}

/** Lets what is due without time passing happen. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe("without a queue", () => {
  it("re-17: the 101st request in flight is refused with 503, until one has sent its last byte", async () => {
    const gateway = await open({});
    for (let i = 0; i < 100; i++) gateway.send();
    expect(gateway.running).toHaveLength(100);
    const error = await failureOf(gateway.send().reply);
    expect(error).toMatchObject({ code: "overloaded", status: 503, headers: { "retry-after": "1" } });
    gateway.running[0]!.answer();
    await settled();
    // Answered, but the last byte has not gone out.
    await failureOf(gateway.send().reply);
    await gateway.finishOne();
    gateway.send();
    expect(gateway.running).toHaveLength(100);
  });

  it("gives a slot back once, however the request ends", async () => {
    const gateway = await open({ maxConcurrent: 1 });
    const { ctx } = gateway.send();
    ctx.leave();
    ctx.finish({ durationMs: 0 });
    ctx.finish({ durationMs: 0 });
    gateway.send();
    expect(gateway.running).toHaveLength(2);
    await failureOf(gateway.send().reply);
  });
});

describe("the queue", () => {
  it("re-17: one slot, a queue of one: the second waits and says so, the third gets 429", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: { maxEntries: 1 } });
    gateway.send("a");
    const second = gateway.send("b");
    const third = await failureOf(gateway.send("c").reply);
    expect(third).toMatchObject({
      code: "rate_limit_exceeded",
      type: "rate_limit_exceeded",
      status: 429,
      headers: { "retry-after": "1", "x-estimated-wait": "1" },
      details: { limit: 1, remaining: 0 },
    });
    expect(gateway.running).toHaveLength(1);
    gateway.host.nowMs += 1_234;
    await gateway.finishOne();
    await gateway.finishOne();
    expect((await second.reply).body).toBe("b");
    expect(second.ctx.replyHeaders).toEqual({ "x-queue-status": "queued", "x-queue-wait-ms": "1234" });
  });

  it("estimates the wait by how long slots were held", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: { maxEntries: 2 } });
    const first = gateway.send();
    first.ctx.finish({ durationMs: 8_000 });
    gateway.send();
    gateway.send();
    gateway.send();
    // Three before the next: two that wait, and itself.
    expect((await failureOf(gateway.send().reply)).headers["x-estimated-wait"]).toBe("24");
  });

  it("serves a tenant in order, and tenants in turns", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: {} });
    gateway.send("first");
    for (const who of ["flood", "flood", "flood", "flood", "b", "c", "b"]) gateway.send(who);
    const order = [];
    while (gateway.running.length > 0) order.push(await gateway.finishOne());
    expect(order).toEqual(["first", "flood", "b", "c", "flood", "b", "flood", "flood"]);
  });

  it("takes clients without a key by their network, IPv6 by /64", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: {} });
    const addresses = ["192.0.2.9", "2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1"];
    for (const clientAddress of addresses) gateway.send(undefined, { clientAddress });
    const order = [];
    while (gateway.running.length > 0) {
      order.push(gateway.running[0]!.ctx.request.clientAddress);
      await gateway.finishOne();
    }
    expect(order).toEqual(["192.0.2.9", "2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]);
  });

  it("serves the higher priority first", async () => {
    const priority = (ctx: { request: { headers: Readonly<Record<string, string | undefined>> } }): number =>
      Number(ctx.request.headers["x-priority"] ?? 0);
    const gateway = await open({ maxConcurrent: 1, queue: { priority } });
    gateway.send("first");
    gateway.send("plain");
    gateway.send("low", { headers: { "x-priority": "-1" } });
    gateway.send("high", { headers: { "x-priority": "5" } });
    const order = [];
    while (gateway.running.length > 0) order.push(await gateway.finishOne());
    expect(order).toEqual(["first", "high", "plain", "low"]);
  });

  it("O3: a tenant that floods the queue makes another wait for one of its requests only", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: { maxEntries: 1_000 } });
    for (let i = 0; i < 500; i++) gateway.send("flood");
    gateway.send("b");
    const order = [];
    for (let i = 0; i < 4; i++) order.push(await gateway.finishOne());
    expect(order.indexOf("b")).toBeLessThanOrEqual(2);
  });

  it("drops a client that leaves at once, and its place is free", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: { maxEntries: 1 } });
    gateway.send("a");
    const leaving = gateway.send("b");
    await failureOf(gateway.send("c").reply);
    leaving.ctx.leave();
    expect((await failureOf(leaving.reply)).code).toBe("client_closed_request");
    const next = gateway.send("d");
    await gateway.finishOne();
    await gateway.finishOne();
    expect((await next.reply).body).toBe("d");
    expect(gateway.running).toHaveLength(0);
  });

  it("a client that has left does not enter it", async () => {
    const gateway = await open({ maxConcurrent: 1, queue: { maxEntries: 1 } });
    gateway.send("a");
    const gone = gateway.send("b", { left: true });
    expect((await failureOf(gone.reply)).code).toBe("client_closed_request");
    gateway.send("c");
    expect((await failureOf(gateway.send("d").reply)).code).toBe("rate_limit_exceeded");
  });

  it("re-17: a wait that is over ends in 504, and never runs", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const gateway = await open({ maxConcurrent: 1, queue: { maxWaitMs: 5_000 } });
      gateway.send("a");
      const waiting = gateway.send("b");
      vi.advanceTimersByTime(4_999);
      await settled();
      vi.advanceTimersByTime(1);
      const error = await failureOf(waiting.reply);
      expect(error).toMatchObject({ code: "timeout", type: "gateway_timeout", status: 504 });
      expect(error.message).toBe("Request timeout after 5 seconds in the queue");
      expect(vi.getTimerCount()).toBe(0);
      await gateway.finishOne();
      expect(gateway.running).toHaveLength(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("waits no longer than the deadline leaves for the answer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const gateway = await open({ maxConcurrent: 1, queue: {} });
      const first = gateway.send("a");
      first.ctx.finish({ durationMs: 3_000, timeToFirstTokenMs: 2_000 });
      gateway.send("b");
      const waiting = gateway.send("c", { deadlineMs: 10_000 });
      vi.advanceTimersByTime(7_999);
      await settled();
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(1);
      expect((await failureOf(waiting.reply)).status).toBe(504);
      const hopeless = gateway.send("d", { deadlineMs: 1_000 });
      expect((await failureOf(hopeless.reply)).status).toBe(504);
    } finally {
      vi.useRealTimers();
    }
  });

  it("all counts are back to 0 after any mixture of ends", async () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("send", "finish", "leave"), fc.nat(3), fc.nat(50)), {
      maxLength: 120,
    });
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const gateway = await open({ maxConcurrent: 3, queue: { maxEntries: 5 } });
        const waiting: ReturnType<typeof gateway.send>[] = [];
        for (const [step, who, which] of steps) {
          if (step === "send") waiting.push(gateway.send(`t${who}`));
          else if (step === "finish" && gateway.running.length > 0) await gateway.finishOne();
          else if (step === "leave" && waiting.length > 0) {
            const { ctx } = waiting[which % waiting.length]!;
            ctx.leave();
            ctx.finish({ durationMs: 0 });
            await settled();
          }
          const alive = gateway.running.filter(({ ctx }) => !ctx.aborted);
          expect(alive.length).toBeLessThanOrEqual(3);
        }
        while (gateway.running.length > 0) await gateway.finishOne();
        // Exactly as at the start: three run, five wait, the ninth is refused.
        const after = Array.from({ length: 9 }, () => gateway.send());
        expect(gateway.running).toHaveLength(3);
        expect((await failureOf(after[8]!.reply)).code).toBe("rate_limit_exceeded");
        while (gateway.running.length > 0) await gateway.finishOne();
        await Promise.all(after.slice(0, 8).map(({ reply }) => reply));
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});

describe("FairQueue", () => {
  it("gives each entry once, by priority, and never starves a tenant", () => {
    const entries = fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: -1, max: 1 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(entries, fc.infiniteStream(fc.nat(4)), (entries, dice) => {
        const queue = new FairQueue<number>();
        const removers = entries.map(([tenant, priority], i) => queue.push(i, tenant, priority));
        const removed = new Set<number>();
        for (const [i, remove] of removers.entries())
          if (dice.next().value === 0) {
            expect(remove()).toBe(true);
            expect(remove()).toBe(false);
            removed.add(i);
          }
        const served: number[] = [];
        for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) served.push(entry);
        expect(queue.size).toBe(0);
        expect(served.toSorted((a, b) => a - b)).toEqual(
          entries.map((_, i) => i).filter((i) => !removed.has(i)),
        );
        const priorities = served.map((i) => entries[i]![1]);
        expect(priorities).toEqual(priorities.toSorted((a, b) => b - a));
        for (const remove of removers) expect(remove()).toBe(false);
      }),
      { seed: 9 },
    );
  });
});

describe("slots of backends", () => {
  it("ba-13: refuses a target whose backend is full, without an attempt, and frees it at the attempt's end", async () => {
    const host = createHost();
    const [middleware] = await setupMiddlewares([concurrency({ slots: 1 })], host);
    const send = (listeners: (() => void)[]): Promise<Reply> => {
      const target = createTarget("x");
      const ctx = new FakeContext({ candidates: [backendTarget] }, host);
      ctx.target = backendTarget;
      return middleware!(ctx, async () => ({
        status: 200,
        headers: {},
        body: null,
        attempt: {
          number: 1,
          target,
          startedAt: 0,
          onSettled: (listener) => listeners.push(listener as () => void),
        },
      }));
    };
    const backendTarget = createTarget("x");
    const ends: (() => void)[] = [];
    await send(ends);
    const refusal = await failureOf(send(ends));
    expect(refusal).toMatchObject({
      code: "no_available_instances",
      status: 503,
      headers: { "retry-after": "1" },
    });
    expect(refusal.attempt).toBeUndefined();
    ends[0]!();
    await send(ends);
  });

  it("frees a slot when the attempt fails", async () => {
    const host = createHost();
    const [middleware] = await setupMiddlewares([concurrency({ slots: 1 })], host);
    const ctx = new FakeContext({}, host);
    ctx.target = createTarget("x");
    for (let i = 0; i < 3; i++)
      expect(
        (await failureOf(middleware!(ctx, () => Promise.reject(new GatewayError("provider_error"))))).code,
      ).toBe("provider_error");
  });
});

describe("leases", () => {
  it("reducers and Lua are one function", async () => {
    const id = fc.constantFrom("p1-1", "p1-2", "p2-1", "p2-2");
    const leaseMs = fc.integer({ min: 1, max: 2_000 });
    await expectHistoriesEqual([
      { op: takeLease, args: fc.tuple(id, fc.integer({ min: 1, max: 3 }), leaseMs) },
      { op: giveLease, args: fc.tuple(id, leaseMs) },
      {
        op: renewLeases,
        args: fc.tuple(leaseMs, fc.constantFrom("p1-", "p2-"), fc.integer({ min: 0, max: 2 }), id, id),
      },
    ]);
  });

  it("never holds more than max, counting only leases that run", () => {
    const take = (state: Record<string, number> | undefined, id: string, nowMs: number) =>
      takeLease.reduce([state], [id, 2, 1_000], nowMs * 1_000);
    const one = take(undefined, "a", 0);
    const two = take(one.states[0]!, "b", 500);
    expect(take(two.states[0]!, "c", 999).result).toEqual([0]);
    const late = take(two.states[0]!, "c", 1_000);
    expect(late.result).toEqual([1]);
    expect(Object.keys(late.states[0]!)).toEqual(["b", "c"]);
  });

  it("set right, are those that a process holds, those it is asking for, and none of its others", () => {
    const state = { "p1-1": 100_000, "p1-2": 100_000, "p1-3": 100_000, "p2-1": 100_000 };
    const { states } = renewLeases.reduce([state], [1_000, "p1-", 2, "p1-1", "p1-4", "p1-2", "p1-5"], 50_000);
    expect(states).toEqual([{ "p1-1": 1_050_000, "p1-2": 100_000, "p1-4": 1_050_000, "p2-1": 100_000 }]);
    expect(renewLeases.reduce([{ "p1-1": 100_000 }], [1_000, "p1-", 0], 50_000).states).toEqual([null]);
  });
});

describe("a store that comes and goes", () => {
  /** Slots on the host's own records, out of reach while `isDown`. */
  function openShared() {
    const host = createHost();
    const { state } = host;
    const shaky = { isDown: false };
    const runShaky: State["run"] = (op, keys, args) => {
      const result = state.run(op, keys, args);
      // It does what it was asked, but nobody hears of it.
      return shaky.isDown ? Promise.reject(new StateUnavailable("too late")) : result;
    };
    const options = {
      name: "shaky",
      max: 2,
      leaseMs: 30_000,
      onStoreFailure: "closed",
      expectedProcesses: 1,
    } as const;
    const slots = new SharedSlots(options, { ...host, state: { ...state, run: runShaky } });
    return { host, shaky, slots };
  }

  it("Z1: frees what it took without being able to say so, with the first answer after it", async () => {
    const { shaky, slots } = openShared();
    shaky.isDown = true;
    for (let i = 0; i < 2; i++)
      expect((await failureOf(slots.take() as Promise<never>)).code).toBe("state_unavailable");
    shaky.isDown = false;
    // Both slots are taken in the store, by nobody.
    expect(await slots.take()).toBeUndefined();
    await settled();
    expect(await slots.take()).toBeDefined();
    expect(await slots.take()).toBeDefined();
    expect(await slots.take()).toBeUndefined();
    slots.close();
  });

  it("Z1: knows of a slot that is being asked for while leases are set right", async () => {
    const { shaky, slots } = openShared();
    shaky.isDown = true;
    await failureOf(slots.take() as Promise<never>);
    shaky.isDown = false;
    const both = await Promise.all([slots.take(), slots.take()]);
    await settled();
    // The store had one place left: the second found what nobody holds.
    expect(both.filter((slot) => slot !== undefined)).toHaveLength(1);
    expect(await slots.take()).toBeDefined();
    expect(await slots.take()).toBeUndefined();
    slots.close();
  });

  it("is told to the log every ten seconds at most", async () => {
    const { host, shaky, slots } = openShared();
    const flap = async (): Promise<void> => {
      shaky.isDown = true;
      await failureOf(slots.take() as Promise<never>);
      shaky.isDown = false;
      await slots.take();
      await settled();
    };
    for (let i = 0; i < 100; i++) await flap();
    expect(host.warnings).toHaveLength(1);
    host.nowMs += 10_000;
    await flap();
    expect(host.warnings).toHaveLength(2);
    slots.close();
  });
});

describe("options", () => {
  const faults = (options: unknown): string[] =>
    findFaults(concurrency(options as Options)).map(({ path, message }) => `${path}: ${message}`);

  it("takes the defaults of the parity page, and refuses what means nothing together", () => {
    expect(faults({})).toEqual([]);
    expect(faults({ queue: {} })).toEqual([]);
    expect(faults({ slots: 2 })).toEqual([]);
    expect(faults({ slots: 2, queue: {} })).toEqual([
      "queue: Not beside `slots`: give it an entry of its own, before the balancer",
    ]);
    expect(faults({ slots: 2, shared: true })).toHaveLength(1);
    expect(faults({ maxConcurrent: 0 })).toHaveLength(1);
  });

  it("promises exact counts only where they are shared", () => {
    const exact = ({ definition }: Plugin, shared: boolean): unknown =>
      (definition.exact as (options: unknown) => boolean)({ shared });
    expect(exact(concurrency(), false)).toBe(false);
    expect(exact(concurrency({ shared: true }), true)).toBe(true);
  });

  it("decides on headers, and with slots on the target", () => {
    expect(concurrency().definition.headersOnly).toBe(true);
    expect(concurrency({ slots: 1 }).definition.needs).toEqual(["target"]);
  });

  it("leaves no timer behind when it closes", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const host = createHost();
      const { middleware, close } = await setupPlugin(concurrency({ shared: true }), host);
      const ctx = new FakeContext({ candidates: [createTarget("x")] }, host);
      await run([middleware!], ctx, () => Promise.resolve({ status: 200, headers: {}, body: null }));
      expect(vi.getTimerCount()).toBe(1);
      await close!();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
