import { defineGatewayPlugin, GatewayError } from "gatewright";
import type { Attempt, Plugin } from "gatewright";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { hedge } from "@gatewright/hedge";
import { HedgeBudget } from "../../plugins/hedge/src/hedge-budget.ts";
import { Latencies } from "../../plugins/hedge/src/latencies.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chat, chatStream, errorOf, MODEL, openaiAt, post, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { createOperation, createTarget, findFaults } from "./_context.ts";
import { FakeContext, createHost, run, setupMiddlewares } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

/** Longer than any test: what waits for it does not happen. */
const NEVER_MS = 600_000;

describePlugin({ folder: "hedge", factory: "hedge", create: () => hedge({ afterMs: NEVER_MS }) });

describe("the budget", () => {
  it("grants its burst, then one hedge for every twenty requests", () => {
    const budget = new HedgeBudget({ share: 0.05, burst: 2 });
    expect([budget.withdraw(), budget.withdraw(), budget.withdraw()]).toEqual([true, true, false]);
    for (let request = 0; request < 19; request++) budget.deposit();
    expect(budget.withdraw()).toBe(false);
    budget.deposit();
    expect(budget.withdraw()).toBe(true);
    expect(budget.withdraw()).toBe(false);
  });

  it("never grants more than the burst and its share of the requests, whatever their order", () => {
    const steps = fc.array(fc.boolean(), { maxLength: 400 });
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom(0, 0.01, 0.05, 0.3, 1),
        fc.integer({ min: 1, max: 5 }),
        (list, share, burst) => {
          const budget = new HedgeBudget({ share, burst });
          let [requests, hedges] = [0, 0];
          for (const isRequest of list) {
            if (isRequest) {
              budget.deposit();
              requests++;
            } else if (budget.withdraw()) hedges++;
          }
          expect(hedges).toBeLessThanOrEqual(Math.floor(burst + share * requests + 1e-9));
        },
      ),
      { seed: 11 },
    );
  });
});

describe("the percentile", () => {
  it("is by nearest rank, and unknown before there are samples enough", () => {
    const latencies = new Latencies(95, 20);
    for (let ms = 1; ms < 20; ms++) latencies.record("a", ms);
    expect(latencies.percentileMs("a")).toBeUndefined();
    latencies.record("a", 20);
    expect(latencies.percentileMs("a")).toBe(19);
    expect(latencies.percentileMs("b")).toBeUndefined();
  });

  it("follows the newest 500 samples", () => {
    const latencies = new Latencies(50, 10);
    for (let count = 0; count < 500; count++) latencies.record("a", 1_000);
    expect(latencies.percentileMs("a")).toBe(1_000);
    for (let count = 0; count < 260; count++) latencies.record("a", 10);
    expect(latencies.percentileMs("a")).toBe(10);
  });

  it("is kept for a thousand kinds of request", () => {
    const latencies = new Latencies(50, 10);
    for (let kind = 0; kind <= 1_000; kind++)
      for (let count = 0; count < 10; count++) latencies.record(String(kind), kind);
    expect(latencies.percentileMs("0")).toBeUndefined();
    expect(latencies.percentileMs("1")).toBe(1);
    expect(latencies.percentileMs("1000")).toBe(1_000);
  });
});

describe("options", () => {
  it.each([
    [{}, ""],
    [{ afterMs: 0 }, "afterMs"],
    [{ afterPercentile: 100 }, "afterPercentile"],
    [{ afterMs: 5, maxExtra: 4 }, "maxExtra"],
    [{ afterMs: 5, budget: { share: 2 } }, "budget.share"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(hedge(options as never)).map((fault) => fault.path)).toEqual([path]);
  });
});

interface Pair {
  readonly stage: Stage;
  readonly first: SimulatedBackend;
  readonly second: SimulatedBackend;
}

/** Two backends of one model, asked in the order of the config. */
async function pair(plugin: Plugin, rest: { before?: Plugin[]; faults?: "none" } = {}): Promise<Pair> {
  const [first, second] = [await simulated({ name: "first" }), await simulated({ name: "second" })];
  const stage = await startStage({
    backends: { first: openaiAt(first), second: openaiAt(second) },
    plugins: [...(rest.before ?? []), plugin, balancer({ strategy: "priority" })],
  });
  return { stage, first, second };
}

function outcomes(attempts: readonly Attempt[]): unknown[] {
  return attempts.map(({ target, outcome }) => [target.backend.name, outcome]);
}

describe("a late first answer", () => {
  it("is overtaken by another backend's, and its call is closed and counted as cancelled", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "no_answer" }];
    const response = await chat(stage);
    expect(response.status).toBe(200);
    expect(response.headers.get("x-gatewright-backend")).toBe("second");
    await first.requests[0]!.closed;
    expect(first.requests[0]!.aborted).toBe(true);
    expect(second.requests).toHaveLength(1);
    const end = await stage.ended();
    expect(outcomes(end.attempts)).toEqual([
      ["first", "cancelled"],
      ["second", "complete"],
    ]);
    expect(end.target?.backend.name).toBe("second");
    expect(stage.inFlight()).toBe(0);
  });

  it("is overtaken before the first token of a stream, which then flows whole", async () => {
    const { stage, first } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "slow_first_token", ms: NEVER_MS }];
    const stream = await chatStream(stage);
    expect(stream).toMatch(/\[DONE\]\n\n$/);
    await first.requests[0]!.closed;
    expect(outcomes((await stage.ended()).attempts)).toEqual([
      ["first", "cancelled"],
      ["second", "complete"],
    ]);
  });

  it("still wins when it comes before the other backend's", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "delay", ms: 150 }];
    second.faults = [{ kind: "no_answer" }];
    const response = await chat(stage);
    expect(response.headers.get("x-gatewright-backend")).toBe("first");
    await second.requests[0]!.closed;
    const end = await stage.ended();
    expect(outcomes(end.attempts)).toEqual([
      ["first", "complete"],
      ["second", "cancelled"],
    ]);
    expect(end.target?.backend.name).toBe("first");
  });

  it("wins although the other backend fails meanwhile", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "delay", ms: 150 }];
    second.faults = [{ kind: "status", status: 500 }];
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("first");
    expect(second.requests).toHaveLength(1);
  });

  it("goes out as the first's failure when both fail", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }));
    first.faults = (request) => (request.n === 1 ? { kind: "delay", ms: 150 } : undefined);
    first.settings.models = ["another"];
    second.faults = [{ kind: "status", status: 503 }];
    const response = await chat(stage);
    expect(response.status).toBe(404);
    expect((await errorOf(response)).code).toBe("model_not_found");
    expect(second.requests).toHaveLength(1);
  });

  it("is given up with its hedge when the client leaves", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "no_answer" }];
    second.faults = [{ kind: "no_answer" }];
    const client = new AbortController();
    const left = chat(stage, {}, { signal: client.signal }).catch(() => "left");
    await waitFor("the hedge", () => second.requests.length === 1);
    client.abort();
    expect(await left).toBe("left");
    await Promise.all([first.requests[0]!.closed, second.requests[0]!.closed]);
    expect(outcomes((await stage.ended()).attempts)).toEqual([
      ["first", "client_abort"],
      ["second", "client_abort"],
    ]);
  });

  it("is hedged as often as `maxExtra` says, each time elsewhere", async () => {
    const names = ["a", "b", "c", "d"];
    const backends = await Promise.all(
      names.map((name) => simulated({ name, faults: [{ kind: "no_answer" }] })),
    );
    backends[2]!.faults = [];
    const stage = await startStage({
      backends: Object.fromEntries(names.map((name, index) => [name, openaiAt(backends[index]!)])),
      plugins: [hedge({ afterMs: 30, maxExtra: 2 }), balancer({ strategy: "priority" })],
    });
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("c");
    await stage.ended();
    expect(backends.map(({ requests }) => requests.length)).toEqual([1, 1, 1, 0]);
  });
});

describe("what is not hedged", () => {
  it("is an answer in time", async () => {
    const { stage, second } = await pair(hedge({ afterMs: NEVER_MS }));
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("first");
    expect(second.requests).toHaveLength(0);
  });

  it("is a failure, which goes out at once", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: NEVER_MS }));
    first.faults = [{ kind: "status", status: 500 }];
    expect((await chat(stage)).status).toBe(502);
    expect(second.requests).toHaveLength(0);
  });

  it("is more than the budget grants", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30, budget: { share: 0, burst: 1 } }));
    first.faults = [{ kind: "no_answer" }, { kind: "delay", ms: 150 }];
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("second");
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("first");
    expect(second.requests).toHaveLength(1);
  });

  it("T5: is an operation that may not be repeated, or a body that cannot be sent again", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([hedge({ afterMs: 1 })], host);
    const candidates = [createTarget("x"), createTarget("y")];
    for (const request of [
      { operation: createOperation("responses", { replaySafe: false }) },
      { replayable: false },
      { candidates: candidates.slice(1) },
    ]) {
      let scope: unknown = "none";
      const ctx = new FakeContext({ candidates, ...request }, host);
      // The same context goes down: no way of its own was opened.
      await run(middlewares, ctx, (inner) => {
        scope = inner === ctx;
        return Promise.resolve({ status: 200, headers: {}, body: null });
      });
      expect(scope).toBe(true);
    }
  });

  it("is a request that waits in a queue, which another attempt would only lengthen", async () => {
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let waiting = 0;
    const queue = defineGatewayPlugin({
      name: "queue",
      options: v.strictObject({}),
      setup: () => ({
        async middleware(_, next) {
          waiting++;
          await released;
          return next();
        },
      }),
    });
    const host = createHost();
    const middlewares = await setupMiddlewares([hedge({ afterMs: 5 }), queue()], host);
    const ctx = new FakeContext({ candidates: [createTarget("x"), createTarget("y")] }, host);
    const reply = run(middlewares, ctx);
    await new Promise((resolve) => setTimeout(resolve, 30));
    release();
    expect((await reply).status).toBe(200);
    expect(waiting).toBe(1);
  });
});

describe("a late answer by percentile", () => {
  it("is measured for each operation, model and way of answering; until there are samples `afterMs` holds", async () => {
    const { stage, first, second } = await pair(
      hedge({ afterPercentile: 90, minSamples: 10, afterMs: NEVER_MS }),
    );
    for (let count = 0; count < 10; count++) await (await chat(stage)).text();
    first.faults = () => ({ kind: "delay", ms: 2_000 });
    // Streams have no samples yet: late by `afterMs` alone.
    const slow = chatStream(stage);
    await waitFor("the stream's request", () => first.requests.length === 11);
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("second");
    await slow;
    expect(second.requests).toHaveLength(1);
  });

  it("hedges nothing before there are samples, where there is no `afterMs`", async () => {
    const { stage, first, second } = await pair(hedge({ afterPercentile: 90, minSamples: 10 }));
    first.faults = [{ kind: "delay", ms: 100 }];
    await chat(stage);
    expect(second.requests).toHaveLength(0);
  });
});

describe("in the chain", () => {
  it("keeps what an outer layer chose for the first attempt, and goes elsewhere with the second", async () => {
    const { stage, first, second } = await pair(hedge({ afterMs: 30 }), {
      before: [balancer({ strategy: "priority" })],
    });
    first.faults = [{ kind: "no_answer" }];
    expect((await chat(stage)).headers.get("x-gatewright-backend")).toBe("second");
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("hedges embeddings too", async () => {
    const { stage, first } = await pair(hedge({ afterMs: 30 }));
    first.faults = [{ kind: "no_answer" }];
    const response = await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "Hi" });
    expect(response.headers.get("x-gatewright-backend")).toBe("second");
  });

  it("passes on what an outer layer throws as it is", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([hedge({ afterMs: NEVER_MS })], host);
    const fault = new GatewayError("no_available_instances");
    const ctx = new FakeContext({ candidates: [createTarget("x"), createTarget("y")] }, host);
    await expect(run(middlewares, ctx, () => Promise.reject(fault))).rejects.toBe(fault);
  });
});
