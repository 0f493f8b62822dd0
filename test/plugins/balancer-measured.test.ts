import { balancer } from "@gatewright/balancer";
import type { OperationName, Reply, Target, UpstreamFailure } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addToAverage, averageAt, createFadingAverage } from "../../plugins/balancer/src/fading-average.ts";
import { LoadLimits } from "../../plugins/balancer/src/hash-ring.ts";
import { MaglevTable, SLOTS } from "../../plugins/balancer/src/maglev-table.ts";
import { murmur3 } from "../../plugins/balancer/src/murmur3.ts";
import { boundTokens } from "../../plugins/balancer/src/prices.ts";
import { pickPowerOfTwo } from "../../plugins/balancer/src/power-of-two.ts";
import { pickSmart } from "../../plugins/balancer/src/smart.ts";
import { createAttemptDispatch, createPlacedBackend, keepCarried, placeTargets, turn } from "./_attempts.ts";
import type { FakeAttempt, Play } from "./_attempts.ts";
import {
  createHost,
  createOperation,
  createRandom,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
  tally,
} from "./_context.ts";
import type { FakeHost, FakeRequest } from "./_context.ts";

function place(name: string, weight = 1): Target {
  return createTarget(name, { weight, backend: createPlacedBackend(name) });
}

/** Without the random picks that keep figures true. */
const never = (): number => 0.5;

interface Rig {
  readonly host: FakeHost;
  readonly targets: readonly Target[];
  /** Milliseconds to the first byte of each backend, or how it fails at once. */
  readonly speeds: Record<string, number | Partial<UpstreamFailure>>;
  /** The backend that a request went to, failed or not. */
  send(fields?: FakeRequest, play?: Play): Promise<string>;
}

async function rigOf(
  options: Parameters<typeof balancer>[0],
  speeds: Rig["speeds"],
  { host = createHost({ random: never }), targets = Object.keys(speeds).map((name) => place(name)) } = {},
): Promise<Rig> {
  placeTargets(host, targets);
  const middlewares = await setupMiddlewares([balancer(options)], host);
  return {
    host,
    targets,
    speeds,
    async send(fields, play) {
      const ctx = new FakeContext({ candidates: targets, ...fields }, host);
      const answer: Play = (attempt) => {
        const speed = speeds[attempt.target.backend.name]!;
        if (typeof speed !== "number") return Promise.reject(attempt.fail(speed));
        host.nowMs += speed;
        return attempt.whole();
      };
      const reply = run(middlewares, ctx, createAttemptDispatch(host, play ?? answer));
      await reply.catch(() => {});
      return ctx.attempts.at(-1)!.target.backend.name;
    },
  };
}

async function sendMany(rig: Rig, count: number, fields?: FakeRequest): Promise<string[]> {
  const names: string[] = [];
  for (let done = 0; done < count; done++) names.push(await rig.send(fields));
  return names;
}

describe("power-of-two", () => {
  it("takes the less loaded of two by weight, whatever their averages", () => {
    const load = fc.integer({ min: 0, max: 50 });
    const weight = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(load, weight, load, weight, fc.nat(), (loadX, weightX, loadY, weightY, seed) => {
        const [x, y] = [place("x", weightX), place("y", weightY)];
        x.inFlight = loadX;
        y.inFlight = loadY;
        const picked = pickPowerOfTwo([x, y], createRandom(seed), (target) => (target === x ? 9 : 1));
        const [perX, perY] = [loadX * weightY, loadY * weightX];
        if (perX < perY) expect(picked).toBe(x);
        else expect(picked).toBe(y);
      }),
      { seed: 2 },
    );
  });

  it("B11: among equals gives each its weight within 2 % over 10^5 picks, and nothing to weight 0", () => {
    const targets = [place("none", 0), place("one", 1), place("three", 3)];
    const random = createRandom(11);
    const counts = tally(
      Array.from({ length: 1e5 }, () => pickPowerOfTwo(targets, random, () => 0)!.backend.name),
    );
    expect(counts.get("none")).toBeUndefined();
    expect(Math.abs(counts.get("one")! / 1e5 - 0.25)).toBeLessThan(0.02);
  });

  it("draws no more than two: with many targets the worst one is never picked, the others are", () => {
    const targets = Array.from({ length: 10 }, (_, index) => place(`t${index}`));
    for (const [index, target] of targets.entries()) target.inFlight = index;
    const random = createRandom(3);
    const counts = tally(
      Array.from({ length: 10_000 }, () => pickPowerOfTwo(targets, random, () => 0)!.inFlight),
    );
    expect([...counts.keys()].sort((left, right) => left - right)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    // The best of ten is drawn in a fifth of all pairs.
    expect(counts.get(0)! / 10_000).toBeCloseTo(0.2, 1);
  });

  it("takes the only one that has weight, and none where none has", () => {
    const [x, idle] = [place("x"), place("idle", 0)];
    expect(pickPowerOfTwo([idle, x], createRandom(1), () => 0)).toBe(x);
    expect(pickPowerOfTwo([idle], createRandom(1), () => 0)).toBeUndefined();
  });

  it("prefers the faster one when idle, and is not drawn to one that fails at once", async () => {
    const rig = await rigOf(
      { strategy: "power-of-two" },
      { slow: 200, fast: 50, dead: { status: 503 } },
      {
        host: createHost({ seed: 5 }),
      },
    );
    await sendMany(rig, 30);
    const counts = tally(await sendMany(rig, 200));
    expect(counts.get("fast")).toBeGreaterThan(counts.get("slow")!);
    expect(counts.get("dead") ?? 0).toBeLessThan(10);
  });

  it("forgets by half in ten seconds, so that a failure is forgiven", () => {
    const average = createFadingAverage();
    expect(averageAt(average, 0)).toBe(0);
    addToAverage(average, 60_000, 1_000);
    expect(averageAt(average, 1_000)).toBe(60_000);
    expect(averageAt(average, 11_000)).toBe(30_000);
    expect(averageAt(average, 101_000)).toBeCloseTo(58.6, 1);
    addToAverage(average, 100, 101_000);
    expect(averageAt(average, 101_000)).toBe(60_000 + 0.2 * (100 - 60_000));
  });
});

describe("least-latency", () => {
  it("ba-8: tries each once, then the faster one wins; it slows down and the pick changes within 20", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 100, y: 300 });
    expect(await sendMany(rig, 2)).toEqual(["x", "y"]);
    expect(new Set(await sendMany(rig, 60))).toEqual(new Set(["x"]));
    rig.speeds["x"] = 900;
    const picks = await sendMany(rig, 20);
    expect(picks).toContain("y");
    expect(picks.at(-1)).toBe("y");
  });

  it("ba-8: counts failures as the time-out, and 429 too", async () => {
    for (const failure of [{ status: 500 }, { kind: "connect" as const, sent: false }, { status: 429 }]) {
      const rig = await rigOf({ strategy: "least-latency" }, { x: failure, y: 5_000 });
      await sendMany(rig, 2);
      expect(new Set(await sendMany(rig, 10))).toEqual(new Set(["y"]));
    }
  });

  it("does not hold the request's faults and clients that leave against a target", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 100, y: 200 });
    await sendMany(rig, 2);
    for (let count = 0; count < 30; count++) {
      await rig.send({}, (attempt) => Promise.reject(attempt.fail({ status: 400 })));
      await rig.send({}, (attempt) => Promise.reject(attempt.leave()));
    }
    expect(await rig.send()).toBe("x");
  });

  it("ba-8: forgets after five minutes, and measures again", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 100, y: 300 });
    await sendMany(rig, 10);
    rig.speeds["y"] = 10;
    rig.host.nowMs += 300_000;
    expect(await sendMany(rig, 3)).toEqual(["x", "y", "y"]);
  });

  it("ba-8: explores with 5 % of the picks", async () => {
    const rig = await rigOf(
      { strategy: "least-latency" },
      { x: 1, y: 100 },
      { host: createHost({ seed: 8 }) },
    );
    const counts = tally(await sendMany(rig, 4_000));
    // Half of the explored picks go to the best one.
    expect(counts.get("y")! / 4_000).toBeGreaterThan(0.015);
    expect(counts.get("y")! / 4_000).toBeLessThan(0.035);
  });

  it("sends one attempt at a time to a target that is not measured", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 10 });
    const y = place("y");
    await rig.send();
    const held: FakeAttempt[] = [];
    const candidates = [...rig.targets, y];
    const hold: Play = (attempt) => {
      held.push(attempt);
      return new Promise<Reply>(() => {});
    };
    for (let count = 0; count < 3; count++) void rig.send({ candidates }, hold);
    await turn();
    expect(held.map(({ target }) => target.id)).toEqual(["y/m", "x/m", "x/m"]);
  });

  it("takes a stream's first content for its time, at once, and its failure when that comes", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 100, y: 50 });
    const streams: FakeAttempt[] = [];
    const stream: Play = (attempt) => {
      rig.host.nowMs += rig.speeds[attempt.target.backend.name] as number;
      streams.push(attempt);
      return attempt.stream();
    };
    const picks: string[] = [];
    for (let count = 0; count < 3; count++) picks.push(await rig.send({ stream: true }, stream));
    expect(picks).toEqual(["x", "y", "y"]);
    for (const attempt of streams.slice(1)) attempt.settle("truncated", { kind: "truncated" });
    // Of y: 50, 50, and 60,000 twice; the lower median is 50 still. One more failure turns it.
    await rig.send({ stream: true }, stream);
    streams.at(-1)!.settle("truncated", { kind: "truncated" });
    await rig.send({ stream: true }, (attempt) => Promise.reject(attempt.fail({ status: 500 })));
    expect(await rig.send({ stream: true }, stream)).toBe("x");
  });

  it("measures each operation for itself", async () => {
    const rig = await rigOf({ strategy: "least-latency" }, { x: 100, y: 300 });
    await sendMany(rig, 3);
    const speech = { operation: createOperation("speech") };
    rig.speeds["x"] = 500;
    expect(await sendMany(rig, 3, speech)).toEqual(["x", "y", "y"]);
    expect(await rig.send()).toBe("x");
  });

  it("ba-14: keeps what it measured over a reload, for targets that stay where they are", async () => {
    const host = createHost({ random: never });
    keepCarried(host);
    const first = await rigOf({ strategy: "least-latency" }, { x: 100, y: 50 }, { host });
    await sendMany(first, 4);
    const second = await rigOf({ strategy: "least-latency" }, { x: 100, y: 50 }, { host });
    expect(await second.send()).toBe("y");
    const moved = createTarget("y", {
      backend: createPlacedBackend("y", { baseURL: new URL("http://elsewhere.test") }),
    });
    const targets = [place("x"), moved];
    const third = await rigOf({ strategy: "least-latency" }, { x: 10, y: 500 }, { host, targets });
    expect(await sendMany(third, 3)).toEqual(["y", "x", "x"]);
  });
});

describe("throughput", () => {
  /** Answers of 100 tokens, so many at once, on the clock of the host; how many each backend gave. */
  async function work(
    rig: Rig,
    tokensPerSecond: Record<string, number>,
    total: number,
  ): Promise<Map<string, number>> {
    const running: { endMs: number; attempt: FakeAttempt; finish: (reply: Reply) => void }[] = [];
    const names: string[] = [];
    for (let started = 0; names.length < total;) {
      while (running.length < 20 && started < total) {
        started++;
        void rig.send({}, (attempt) => {
          const seconds = 100 / tokensPerSecond[attempt.target.backend.name]!;
          return new Promise<Reply>((finish) => {
            running.push({ endMs: rig.host.nowMs + seconds * 1_000, attempt, finish });
          });
        });
        await turn();
      }
      running.sort((left, right) => left.endMs - right.endMs);
      const { endMs, attempt, finish } = running.shift()!;
      rig.host.nowMs = endMs;
      finish(attempt.whole({ inputTokens: 10, outputTokens: 100, totalTokens: 110 }));
      names.push(attempt.target.backend.name);
      await turn();
    }
    return tally(names);
  }

  it("ba-7: at 20 concurrent both of 100 and 10 tokens a second work, the fast one more", async () => {
    const rig = await rigOf({ strategy: "throughput" }, { fast: 0, slow: 0 });
    const counts = await work(rig, { fast: 100, slow: 10 }, 300);
    expect(counts.get("slow")).toBeGreaterThan(3);
    expect(counts.get("fast")).toBeGreaterThan(5 * counts.get("slow")!);
  });

  it("ba-7: picks a new target within three requests, until it has three samples", async () => {
    const rig = await rigOf({ strategy: "throughput" }, { x: 100, y: 100 });
    await sendMany(rig, 10);
    rig.speeds["new"] = 100;
    const candidates = [...rig.targets, place("new")];
    expect(await sendMany(rig, 3, { candidates })).toEqual(["new", "new", "new"]);
  });

  it("sends a burst not all to the target that is not measured", async () => {
    const rig = await rigOf({ strategy: "throughput" }, { x: 0, y: 0 });
    const names: string[] = [];
    for (let count = 0; count < 8; count++) {
      void rig.send({}, (attempt) => {
        names.push(attempt.target.backend.name);
        return new Promise<Reply>(() => {});
      });
    }
    await turn();
    expect(tally(names)).toEqual(
      new Map([
        ["x", 4],
        ["y", 4],
      ]),
    );
  });

  it("goes by load where no tokens are told, and leaves what fails", async () => {
    const rig = await rigOf({ strategy: "throughput" }, { x: 100, y: 100 });
    await sendMany(rig, 6);
    rig.targets[0]!.inFlight = 2;
    expect(await rig.send()).toBe("y");
    rig.targets[0]!.inFlight = 0;

    const told: Play = (attempt) => {
      rig.host.nowMs += 1_000;
      return attempt.whole({ inputTokens: 1, outputTokens: 50, totalTokens: 51 });
    };
    await rig.send({}, told);
    expect(await rig.send({}, told)).toBe("x");
    await rig.send({ candidates: [rig.targets[1]!] }, told);
    for (let count = 0; count < 3; count++)
      await rig.send({ candidates: [rig.targets[0]!] }, (attempt) =>
        Promise.reject(attempt.fail({ status: 500 })),
      );
    expect(await rig.send({}, told)).toBe("y");
  });
});

describe("least-cost", () => {
  it.each([
    ["chat", { max_tokens: 7 }, 7],
    ["chat", { max_completion_tokens: 7 }, 7],
    ["chat", { max_output_tokens: 7 }, 50],
    ["chat", {}, 50],
    ["responses", { max_output_tokens: 7 }, 7],
    ["embeddings", {}, 0],
  ] as const)("ba-9: reckons with the limit of the answer of %s in %j", (name, json, completion) => {
    const ctx = new FakeContext({ json, operation: createOperation(name) }, createHost());
    expect(boundTokens(ctx, 50).completion).toBe(completion);
  });

  it.each([
    [{ settings: { most: 7 } }, 7],
    [{ settings: {}, max_tokens: 7 }, 50],
    [{ cap: 9, settings: { most: 7 } }, 9],
  ])("ba-9: finds the limit of an operation that a plugin declares in %j", (json, completion) => {
    const parameters = {
      temperature: [],
      outputLimit: [{ within: "settings", name: "most" }, { name: "cap" }],
    };
    const operation = createOperation("forecast" as OperationName, { parameters });
    expect(boundTokens(new FakeContext({ json, operation }, createHost()), 50).completion).toBe(completion);
  });

  const prices = {
    "cheap/m": { prompt: 1, completion: 2 },
    "dear/m": { prompt: 10, completion: 20 },
    "talker/m": { prompt: 0.1, completion: 5 },
  };
  const names = { cheap: 0, dear: 0, talker: 0, unpriced: 0 };

  it("ba-9: takes the cheaper of two priced ones, and the other when that is excluded", async () => {
    const rig = await rigOf({ strategy: "least-cost", prices }, names);
    const [cheap, dear, , unpriced] = rig.targets;
    expect(await sendMany(rig, 3, { candidates: [unpriced!, dear!, cheap!] })).toEqual([
      "cheap",
      "cheap",
      "cheap",
    ]);
    expect(await rig.send({ candidates: [unpriced!, dear!] })).toBe("dear");
    expect(await rig.send({ candidates: [unpriced!, createTarget("x", { weight: 0 })] })).toBe("unpriced");
  });

  it("ba-9: reckons with the length of the prompt and of the answer", async () => {
    const rig = await rigOf({ strategy: "least-cost", prices }, names);
    // Without a prompt: 5 × 4,096 against 2 × 4,096. With a short answer and a long prompt the other way round.
    expect(await rig.send()).toBe("cheap");
    const ctx = new FakeContext({ json: { max_tokens: 10 } }, rig.host);
    Object.assign(ctx.body, { bytes: new Uint8Array(10_000) });
    const [middleware] = await setupMiddlewares([balancer({ strategy: "least-cost", prices })], rig.host);
    ctx.candidates = rig.targets;
    const reply = await run(
      [middleware!],
      ctx,
      createAttemptDispatch(rig.host, (attempt) => attempt.whole()),
    );
    expect(reply.body).toBe("talker/m");
  });

  it("ba-9: rotates among equals", async () => {
    const same = { prompt: 1, completion: 1 };
    const rig = await rigOf(
      { strategy: "least-cost", prices: { "x/m": same, "y/m": same } },
      { x: 0, y: 0, unpriced: 0 },
    );
    expect(await sendMany(rig, 4)).toEqual(["x", "y", "x", "y"]);
  });

  it("refuses a price of a target that does not exist", async () => {
    await expect(rigOf({ strategy: "least-cost", prices }, { cheap: 0 })).rejects.toThrow("prices.dear/m");
  });
});

describe("smart", () => {
  const [cheap, fast, sound] = [place("cheap"), place("fast"), place("sound")];
  const traits = new Map([
    [cheap, { cost: 1, latency: 900, errorRate: 0.2 }],
    [fast, { cost: 9, latency: 100, errorRate: 0.2 }],
    [sound, { cost: 9, latency: 900, errorRate: 0 }],
  ]);
  const pick = (cost: number, latency: number, errorRate: number): Target | undefined =>
    pickSmart([cheap, fast, sound], (target) => traits.get(target)!, { cost, latency, errorRate });

  it("ba-10, mo-11: of three, each best in one figure, picks by the weights", () => {
    expect(pick(1, 0, 0)).toBe(cheap);
    expect(pick(0, 1, 0)).toBe(fast);
    expect(pick(0, 0, 1)).toBe(sound);
    // By default cheap: 0.3/9 + 0.5 + 0.2, fast: 0.3 + 0.5/9 + 0.2, sound: 0.3 + 0.5.
    expect(pick(0.3, 0.5, 0.2)).toBe(fast);
  });

  it("ba-10: a figure that is the same for all does not count, and an unknown price is the highest", () => {
    const same = { cost: 5, latency: 100, errorRate: 0 };
    const pickOf = (x: object, y: object): Target | undefined =>
      pickSmart([cheap, fast], (target) => ({ ...same, ...(target === cheap ? x : y) }), {
        cost: 1,
        latency: 0.1,
        errorRate: 1,
      });
    expect(pickOf({}, {})).toBe(cheap);
    expect(pickOf({ latency: 200 }, {})).toBe(fast);
    expect(pickOf({ cost: Infinity }, { latency: 10 })).toBe(fast);
    expect(pickOf({ cost: Infinity }, { latency: 900 })).toBe(cheap);
    expect(pickOf({ cost: Infinity }, { cost: Infinity, latency: 10 })).toBe(fast);
    expect(pickSmart([place("idle", 0)], () => same, same)).toBeUndefined();
  });

  it("ba-10: learns latency and failures from attempts", async () => {
    const weights = { cost: 0, latency: 1, errorRate: 0 };
    const rig = await rigOf({ strategy: "smart", weights }, { x: 300, y: 100 });
    expect(await sendMany(rig, 5)).toEqual(["x", "y", "y", "y", "y"]);
    const failing = await rigOf(
      { strategy: "smart", weights: { cost: 0, latency: 0, errorRate: 1 } },
      { x: { status: 500 }, y: 100 },
    );
    expect(await sendMany(failing, 4)).toEqual(["x", "y", "y", "y"]);
  });
});

describe("maglev", () => {
  const all = Array.from({ length: 10 }, (_, index) => place(`t${index}`));
  const keys = Array.from({ length: 20_000 }, (_, index) => murmur3(`key-${index}`));

  it("B13: moves at most twice a removed target's share, and all of its keys", () => {
    const before = new MaglevTable(all);
    const after = new MaglevTable(all.slice(1));
    const moved = keys.filter((key) => before.find(key, all) !== after.find(key, all)).length;
    expect(moved / keys.length).toBeGreaterThan(0.09);
    expect(moved / keys.length).toBeLessThan(0.2);
  });

  it("B13: is the same map whatever the order of the config", () => {
    const [one, other] = [new MaglevTable(all), new MaglevTable(all.toReversed())];
    for (const key of keys.slice(0, 2_000)) expect(one.find(key, all)).toBe(other.find(key, all));
  });

  it("B13: moves only the keys of an excluded target", () => {
    const table = new MaglevTable(all);
    const left = all.slice(1);
    for (const key of keys.slice(0, 5_000)) {
      const home = table.find(key, all)!;
      const found = table.find(key, left)!;
      if (home !== all[0]) expect(found).toBe(home);
      else expect(left).toContain(found);
    }
  });

  it("B11: gives shares by weight within 2 %, and nothing to weight 0", () => {
    const weighted = [place("none", 0), place("one", 1), place("three", 3)];
    const table = new MaglevTable(weighted);
    const counts = tally(
      Array.from({ length: SLOTS }, (_, slot) => table.find(slot, weighted)!.backend.name),
    );
    expect(counts.get("none")).toBeUndefined();
    expect(counts.get("one")! / SLOTS).toBeCloseTo(0.25, 3);
    expect(counts.get("three")! / SLOTS).toBeCloseTo(0.75, 3);
  });

  it("B14: puts no target above 1.25 times its share, rounded up, by one hot key", () => {
    const targets = [1, 1, 2].map((weight, index) => place(`t${index}`, weight));
    const table = new MaglevTable(targets);
    for (let count = 1; count <= 200; count++) {
      table.find(murmur3("hot"), targets, new LoadLimits(targets, 1.25))!.inFlight++;
      for (const { inFlight, weight } of targets) {
        expect(inFlight).toBeLessThanOrEqual(Math.ceil((1.25 * count * weight) / 4));
      }
    }
  });

  it("finds a target whose weight is too small for a slot when it is the only one", () => {
    const [tiny, huge] = [place("tiny", 1e-6), place("huge", 1e6)];
    expect(new MaglevTable([tiny, huge]).find(7, [tiny])).toBe(tiny);
    expect(new MaglevTable([place("none", 0)]).find(7, [place("none", 0)])).toBeUndefined();
  });

  it("hashes what it is told to", async () => {
    const rig = await rigOf(
      { strategy: "maglev", key: { header: "x-session" } },
      Object.fromEntries(all.map(({ backend }) => [backend.name, 0])),
    );
    const table = new MaglevTable(rig.targets);
    for (const session of ["a", "b", "c", "d", "e"]) {
      const picked = await rig.send({ headers: { "x-session": session } });
      expect(picked).toBe(table.find(murmur3(session), rig.targets)!.backend.name);
    }
  });
});

describe("priorities", () => {
  it("ba-12: leave later groups alone until the first has no candidate left, with any strategy", async () => {
    const rig = await rigOf({ priorities: { far: 1, last: 2 } }, { far: 0, near: 0, also: 0, last: 0 });
    expect(await sendMany(rig, 4)).toEqual(["near", "also", "near", "also"]);
    const [far, near, , last] = rig.targets;
    expect(await rig.send({ candidates: [last!, far!] })).toBe("far");
    expect(await rig.send({ candidates: [last!, { ...near!, weight: 0 }] })).toBe("last");
    expect(await sendMany(rig, 2)).toEqual(["near", "also"]);
  });

  it("refuse a backend that does not exist", async () => {
    await expect(rigOf({ priorities: { nosuch: 1 } }, { x: 0 })).rejects.toThrow("priorities.nosuch");
  });
});

describe("sticky", () => {
  const speeds = { x: 0, y: 0, z: 0 };

  it.each([
    ["a header", { header: "X-Session" }, (key: string) => ({ headers: { "x-session": key } })],
    ["a cookie", { cookie: "sid" }, (key: string) => ({ headers: { cookie: `a=1; sid=${key}; b="2"` } })],
    ["the body's user", "user", (key: string) => ({ json: { user: key } })],
  ] as const)("keeps requests of one key at one target, by %s", async (_, key, fields) => {
    const rig = await rigOf({ sticky: { key } }, speeds);
    const homes = new Map<string, string>();
    for (let round = 0; round < 3; round++) {
      for (let client = 0; client < 30; client++) {
        const name = await rig.send(fields(`client-${client}`));
        expect(homes.get(`client-${client}`) ?? name).toBe(name);
        homes.set(`client-${client}`, name);
      }
    }
    expect(new Set(homes.values()).size).toBe(3);
  });

  it("moves only the keys of a target that is excluded, and moves them back", async () => {
    const rig = await rigOf({ strategy: "least-connections", sticky: { key: { header: "s" } } }, speeds);
    const at = (session: string, candidates: readonly Target[]): Promise<string> =>
      rig.send({ headers: { s: session }, candidates });
    for (let session = 0; session < 30; session++) {
      const home = await at(`${session}`, rig.targets);
      const moved = await at(`${session}`, rig.targets.slice(1));
      if (home !== "x") expect(moved).toBe(home);
      expect(await at(`${session}`, rig.targets)).toBe(home);
    }
  });

  it("leaves requests without the key to the strategy", async () => {
    const rig = await rigOf({ sticky: { key: { header: "s" } } }, speeds);
    expect(await sendMany(rig, 6)).toEqual(["x", "y", "z", "x", "y", "z"]);
  });

  it("is no option of the hash strategies", () => {
    const options = { strategy: "maglev", sticky: { key: "user" } } as never;
    expect(findFaults(balancer(options)).map(({ path }) => path)).toEqual(["sticky"]);
  });
});

describe("any strategy", () => {
  it.each(["power-of-two", "least-latency", "throughput", "least-cost", "smart", "maglev"] as const)(
    "answers 503 no_available_instances without a candidate of weight, by %s",
    async (strategy) => {
      const host = createHost();
      const middlewares = await setupMiddlewares([balancer({ strategy })], host);
      const weightless = [place("a", 0), place("b", 0)];
      for (const candidates of [[], weightless]) {
        const dispatch = createAttemptDispatch(host, (attempt) => attempt.whole());
        const error = await failureOf(run(middlewares, new FakeContext({ candidates }, host), dispatch));
        expect([error.status, error.code]).toEqual([503, "no_available_instances"]);
      }
    },
  );
});
