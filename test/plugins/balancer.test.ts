import { GatewayError } from "gatewright";
import type { Reply, Target } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { HashRing, LoadLimits } from "../../plugins/balancer/src/hash-ring.ts";
import { pickLeastConnections } from "../../plugins/balancer/src/least-connections.ts";
import { murmur3 } from "../../plugins/balancer/src/murmur3.ts";
import { digestOf, digestPoints, murmurPoints } from "../../plugins/balancer/src/ring-points.ts";
import { SmoothRotation } from "../../plugins/balancer/src/smooth-rotation.ts";
import { pickWeighted } from "../../plugins/balancer/src/weighted-random.ts";
import {
  createDispatch,
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
import type { FakeRequest } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

const [x, y, z] = [createTarget("x"), createTarget("y"), createTarget("z")];

/** Sends requests one after the other and returns the targets that answered. */
async function send(
  options: Parameters<typeof balancer>[0],
  requests: readonly FakeRequest[],
  dispatch = createDispatch(),
): Promise<unknown[]> {
  const host = createHost();
  const middlewares = await setupMiddlewares([balancer(options)], host);
  const answered: unknown[] = [];
  for (const request of requests) {
    const reply = await run(middlewares, new FakeContext(request, host), dispatch);
    answered.push(reply.body);
  }
  return answered;
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

function picks(rotation: SmoothRotation, count: number): string[] {
  return Array.from({ length: count }, () => rotation.next()!.id);
}

const addresses = Array.from({ length: 10_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);

describePlugin({ folder: "balancer", factory: "balancer", create: () => balancer() });

describe("round-robin", () => {
  it("ba-2: gives nine requests over three targets as 3, 3, 3, in rotation", async () => {
    const answered = await send({}, times(9, { candidates: [x, y, z] }));
    expect(answered).toEqual([...times(3, ["x/m", "y/m", "z/m"])].flat());
  });

  it("ba-2: gives six requests at 2:1 as 4, 2, never three of one in a row", async () => {
    const heavy = createTarget("heavy", { weight: 2 });
    const answered = await send({}, times(6, { candidates: [heavy, x] }));
    expect(tally(answered)).toEqual(
      new Map([
        ["heavy/m", 4],
        ["x/m", 2],
      ]),
    );
    expect(answered.join(" ")).not.toMatch(/(\S+) \1 \1/);
  });

  it("ba-2: gives 300 concurrent requests at 2:1 as 200, 100", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([balancer()], host);
    const candidates = [createTarget("heavy", { weight: 2 }), x];
    const replies = await Promise.all(
      times(300, candidates).map((candidates) => run(middlewares, new FakeContext({ candidates }, host))),
    );
    expect(tally(replies.map(({ body }) => body))).toEqual(
      new Map([
        ["heavy/m", 200],
        ["x/m", 100],
      ]),
    );
  });

  it("B11: gives each target its weight exactly in every run of W consecutive picks", () => {
    const weights = fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(weights, fc.nat(40), (weights, skipped) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const targets = weights.map((weight, index) => createTarget(`t${index}`, { weight }));
        const rotation = new SmoothRotation(targets);
        if (total === 0) {
          expect(rotation.next()).toBeUndefined();
          return;
        }
        picks(rotation, skipped);
        const counts = tally(picks(rotation, total));
        for (const target of targets) expect(counts.get(target.id) ?? 0).toBe(target.weight);
      }),
      { seed: 11 },
    );
  });

  it("spreads the picks of a heavy target", () => {
    const targets = [createTarget("a", { weight: 5 }), createTarget("b"), createTarget("c")];
    // The sequence that nginx documents for 5:1:1.
    expect(
      picks(new SmoothRotation(targets), 7)
        .map((id) => id[0])
        .join(""),
    ).toBe("aabacaa");
  });

  it("ba-2: rotates each model and each candidate set for itself", async () => {
    const full = { candidates: [x, y, z] };
    const narrowed = { candidates: [x, z] };
    const other = { candidates: [x, y, z], model: "other" };
    const answered = await send({}, [full, narrowed, other, full, narrowed, other, full]);
    expect(answered).toEqual(["x/m", "x/m", "x/m", "y/m", "z/m", "y/m", "z/m"]);
  });

  it("keeps the rotation of a set that filters build anew for each request", async () => {
    const requests = Array.from({ length: 4 }, () => ({ candidates: [x, y].filter(() => true) }));
    expect(await send({}, requests)).toEqual(["x/m", "y/m", "x/m", "y/m"]);
  });

  it("keeps a bounded number of rotations", async () => {
    const candidates = [x, y];
    const others = Array.from({ length: 1_000 }, (_, index) => ({ candidates, model: `m${index}` }));
    // One more model than are kept pushes the first one out, whose rotation then starts again.
    const answered = await send({}, [{ candidates }, ...others, { candidates }]);
    expect([answered.at(0), answered.at(-1)]).toEqual(["x/m", "x/m"]);
  });
});

describe("random", () => {
  it("ba-3, B11: is within 2 % of the weights over 10^5 picks, and gives weight 0 nothing", () => {
    const targets = [0, 1, 3].map((weight) => createTarget(`w${weight}`, { weight }));
    const random = createRandom(3);
    const counts = tally(Array.from({ length: 100_000 }, () => pickWeighted(targets, random())!.id));
    expect(counts.has("w0/m")).toBe(false);
    expect(Math.abs(counts.get("w1/m")! / 25_000 - 1)).toBeLessThan(0.02);
    expect(Math.abs(counts.get("w3/m")! / 75_000 - 1)).toBeLessThan(0.02);
  });

  it("ba-3: finds no candidate when all weights are 0", () => {
    expect(pickWeighted([createTarget("a", { weight: 0 })], 0.5)).toBeUndefined();
    expect(pickWeighted([], 0.5)).toBeUndefined();
  });

  it("stays inside the list for any random number and weights", () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 10, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        weights,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (weights, random) => {
          const targets = weights.map((weight, index) => createTarget(`t${index}`, { weight }));
          expect(targets).toContain(pickWeighted(targets, random));
        },
      ),
      { seed: 3 },
    );
  });

  it("uses the gateway's random numbers", async () => {
    const answered = await send({ strategy: "random" }, times(3_000, { candidates: [x, y] }));
    expect(tally(answered).get("x/m")! / 1_500).toBeCloseTo(1, 1);
  });
});

describe("least-connections", () => {
  it.each([
    ["the fewest in flight", [2, 1, 3], [1, 1, 1], 1],
    ["the fewest per weight", [3, 2, 2], [3, 1, 1], 0],
    ["fewer in flight when the load is equal", [2, 1], [2, 1], 1],
    ["list order when all is equal", [1, 1], [1, 1], 0],
    ["none with weight 0", [0, 5], [0, 1], 1],
  ])("ba-4: picks %s", (_, inFlight, weights, expected) => {
    const targets = weights.map((weight, index) => createTarget(`t${index}`, { weight }));
    inFlight.forEach((count, index) => (targets[index]!.inFlight = count));
    expect(pickLeastConnections(targets)).toBe(targets[expected]);
  });

  it("ba-4: sends the next request elsewhere while two are held, and back when they end", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([balancer({ strategy: "least-connections" })], host);
    const candidates = [createTarget("a", { weight: 2 }), createTarget("b")];
    let release = (): void => {};
    const released = new Promise<200>((resolve) => (release = () => resolve(200)));
    const held: Promise<Reply>[] = [];
    const sent: string[] = [];
    const dispatch = createDispatch((target) => {
      sent.push(target.id);
      return released;
    });
    // a at 0/2, b at 0/1: a. a at 1/2, b at 0/1: b. a at 1/2, b at 1/1: a. a at 2/2, b at 1/1: b has fewer.
    for (let index = 0; index < 4; index++) {
      held.push(run(middlewares, new FakeContext({ candidates }, host), dispatch));
      await Promise.resolve();
    }
    expect(sent).toEqual(["a/m", "b/m", "a/m", "b/m"]);
    release();
    await Promise.all(held);
    expect(candidates.map(({ inFlight }) => inFlight)).toEqual([0, 0]);
  });
});

describe("priority", () => {
  it("ba-12: gives the backup nothing until the primary is excluded, and takes it away when that returns", async () => {
    const both = { candidates: [x, y] };
    const answered = await send({ strategy: "priority" }, [both, both, { candidates: [y] }, both]);
    expect(answered).toEqual(["x/m", "x/m", "y/m", "x/m"]);
  });
});

describe("ip-hash", () => {
  it("ba-5: keeps one address on one target", async () => {
    const answered = await send({ strategy: "ip-hash" }, times(10, { candidates: [x, y, z] }));
    expect(new Set(answered).size).toBe(1);
  });

  it.each(["md5", "sha1", "sha256"] as const)("ba-5: gives shares near the weights by %s", (digest) => {
    const targets = [1, 2, 1].map((weight, index) => createTarget(`t${index}`, { weight }));
    const ring = new HashRing(targets, digestPoints(digest, 100));
    const counts = tally(addresses.map((address) => ring.find(digestOf(digest, address), targets)!));
    // With 100 points for each unit of weight a share strays by some 10 % (one sigma); 3 sigma.
    for (const target of targets) {
      expect(Math.abs(counts.get(target)! / (2_500 * target.weight) - 1)).toBeLessThan(0.3);
    }
  });

  it("B13, ba-5: moves only the keys of the target that is removed", () => {
    const targets = Array.from({ length: 5 }, (_, index) => createTarget(`t${index}`));
    const rest = targets.slice(1);
    const points = digestPoints("md5", 100);
    const [before, after] = [new HashRing(targets, points), new HashRing(rest, points)];
    for (const address of addresses) {
      const home = before.find(digestOf("md5", address), targets)!;
      if (home !== targets[0]) expect(after.find(digestOf("md5", address), rest)).toBe(home);
    }
  });

  it("ba-5: picks at random for a request without an address", async () => {
    const answered = await send(
      { strategy: "ip-hash" },
      times(50, { candidates: [x, y], clientAddress: "" }),
    );
    expect(new Set(answered).size).toBe(2);
  });
});

describe("consistent-hash", () => {
  // Vectors of the reference MurmurHash3_x86_32.
  it.each([
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ])("hashes %j with seed %i by MurmurHash3", (text, seed, expected) => {
    expect(murmur3(text, seed)).toBe(expected);
  });

  it("hashes keys longer than its buffer like short ones", () => {
    const long = "ключ".repeat(500);
    expect(murmur3(long)).toBe(murmur3(Buffer.from(long).toString("utf8")));
    expect(murmur3(long)).not.toBe(murmur3(`${long}!`));
  });

  it("ba-6, B13: a fourth target takes about a quarter of 10,000 keys, and takes them from nobody else", () => {
    const three = [x, y, z];
    const four = [...three, createTarget("w")];
    const points = murmurPoints(150);
    const [before, after] = [new HashRing(three, points), new HashRing(four, points)];
    let moved = 0;
    for (const address of addresses) {
      const [from, to] = [before.find(murmur3(address), three), after.find(murmur3(address), four)];
      if (from === to) continue;
      expect(to).toBe(four[3]);
      moved++;
    }
    expect(moved).toBeGreaterThan(2_000);
    expect(moved).toBeLessThan(3_000);
  });

  it("ba-6, B13: removing any one of ten moves at most 12 % of 10,000 keys, and only keys that were its own", () => {
    const ten = Array.from({ length: 10 }, (_, index) => createTarget(`backend-${index}`));
    const whole = new HashRing(ten, murmurPoints(150));
    const before = addresses.map((address) => whole.find(murmur3(address), ten)!);
    for (const removed of ten) {
      const nine = ten.filter((target) => target !== removed);
      const smaller = new HashRing(nine, murmurPoints(150));
      const after = addresses.map((address) => smaller.find(murmur3(address), nine)!);
      const from = before.filter((target, i) => after[i] !== target);
      expect(new Set(from)).toEqual(new Set([removed]));
      expect(from.length).toBeLessThanOrEqual(0.12 * addresses.length);
    }
  });

  it("ba-6, B13: is the same map in every process, whatever the order of the config", () => {
    const points = murmurPoints(150);
    const ring = new HashRing([x, y, z], points);
    const restarted = [createTarget("z"), createTarget("x"), createTarget("y")];
    const other = new HashRing(restarted, points);
    for (const address of addresses) {
      const hash = murmur3(address);
      expect(other.find(hash, restarted)!.id).toBe(ring.find(hash, [x, y, z])!.id);
    }
  });

  it("ba-6: walks past excluded targets to the map of a ring without them", () => {
    const subset = fc.subarray([x, y, z, createTarget("w")], { minLength: 1 });
    const all = [x, y, z, createTarget("w")];
    const ring = new HashRing(all, murmurPoints(150));
    fc.assert(
      fc.property(subset, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (picked, hash) => {
        const candidates = all.filter((target) => picked.some(({ id }) => id === target.id));
        const smaller = new HashRing(candidates, murmurPoints(150));
        expect(ring.find(hash, candidates)).toBe(smaller.find(hash, candidates));
      }),
      { seed: 6 },
    );
  });

  it("B14: puts no target above 1.25 times its share, rounded up, by one hot key", () => {
    const targets = [1, 1, 2].map((weight, index) => createTarget(`t${index}`, { weight }));
    const ring = new HashRing(targets, murmurPoints(150));
    for (let count = 1; count <= 400; count++) {
      ring.find(murmur3("hot"), targets, new LoadLimits(targets, 1.25))!.inFlight++;
      for (const { inFlight, weight } of targets) {
        expect(inFlight).toBeLessThanOrEqual(Math.ceil((1.25 * count * weight) / 4));
      }
    }
  });

  it.each([
    ["the client's address", "client-address", (key: string) => ({ clientAddress: key })],
    ["a header", { header: "X-Session" }, (key: string) => ({ headers: { "x-session": key } })],
    ["the body's user", "user", (key: string) => ({ json: { user: key } })],
  ] as const)("ba-6: hashes %s", async (_, key, fields) => {
    const candidates = [x, y, z];
    const keys = addresses.slice(0, 30);
    const ring = new HashRing(candidates, murmurPoints(150));
    const requests = keys.map((key) => ({ candidates, ...fields(key) }));
    expect(await send({ strategy: "consistent-hash", key }, requests)).toEqual(
      keys.map((key) => ring.find(murmur3(key), candidates)!.id),
    );
  });

  it("ba-6: hashes the gateway key", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares(
      [balancer({ strategy: "consistent-hash", key: "principal" })],
      host,
    );
    const ring = new HashRing([x, y, z], murmurPoints(150));
    for (const id of ["ann", "bob", "cy", "di"]) {
      const ctx = new FakeContext({ candidates: [x, y, z] }, host);
      ctx.principal = { id };
      const { body } = await run(middlewares, ctx);
      expect(body).toBe(ring.find(murmur3(id), [x, y, z])!.id);
    }
  });

  it("hashes the address of a request without the key, and picks at random without an address", async () => {
    const options = { strategy: "consistent-hash", key: { header: "x-session" } } as const;
    const candidates = [x, y, z];
    expect(new Set(await send(options, times(20, { candidates }))).size).toBe(1);
    const nameless = times(50, { candidates, clientAddress: "", headers: { "x-session": "" } });
    expect(new Set(await send(options, nameless)).size).toBe(3);
  });
});

describe("balancer", () => {
  it.each(["round-robin", "random", "least-connections", "priority", "ip-hash", "consistent-hash"] as const)(
    "answers 503 no_available_instances without a candidate of weight, by %s",
    async (strategy) => {
      const weightless = createTarget("weightless", { weight: 0 });
      for (const candidates of [[], [weightless], [weightless, createTarget("other", { weight: 0 })]]) {
        const error = await failureOf(send({ strategy }, [{ candidates }]) as Promise<never>);
        expect([error.status, error.code]).toEqual([503, "no_available_instances"]);
      }
    },
  );

  it("ba-1: reaches no target that is not among the candidates, on any operation", async () => {
    for (const name of ["chat", "embeddings", "speech", "transcription", "imageEdit"] as const) {
      const request = { candidates: [y, z], operation: createOperation(name) };
      expect(tally(await send({}, times(4, request)))).toEqual(
        new Map([
          ["y/m", 2],
          ["z/m", 2],
        ]),
      );
    }
  });

  it("lets a request without a model pass", async () => {
    const reply = { status: 200, headers: {}, body: "list" };
    expect(await send({}, [{ model: "" }], () => Promise.resolve(reply))).toEqual(["list"]);
  });

  it("leaves the target that an earlier balancer chose", async () => {
    const host = createHost();
    const middlewares = await setupMiddlewares([balancer({ strategy: "priority" }), balancer()], host);
    for (let index = 0; index < 3; index++) {
      const { body } = await run(middlewares, new FakeContext({ candidates: [x, y, z] }, host));
      expect(body).toBe("x/m");
    }
  });

  it("ba-13: picks another when a layer after it refuses the target, until none is left", async () => {
    const refusing = new Map<Target, string>([[x, "7"]]);
    const sent: unknown[] = [];
    const host = createHost();
    const middlewares = await setupMiddlewares([balancer()], host);
    const requestWith = (candidates: Target[]): Promise<Reply> =>
      run(
        [
          ...middlewares,
          (ctx, next) => {
            const wait = refusing.get((ctx.target ?? ctx.candidates[0])!);
            if (wait === undefined) return next();
            return Promise.reject(
              new GatewayError("no_available_instances", { headers: { "retry-after": wait } }),
            );
          },
        ],
        new FakeContext({ candidates }, host),
        createDispatch((target) => {
          sent.push(target.id);
          return 200;
        }),
      );

    expect((await requestWith([x, y, z])).body).toBe("y/m");
    expect(sent).toEqual(["y/m"]);
    refusing.set(y, "3").set(z, "5");
    const error = await failureOf(requestWith([x, y, z]));
    expect([error.status, error.code]).toEqual([503, "no_available_instances"]);
    expect(error.headers["retry-after"]).toBe("3");
    expect(sent).toEqual(["y/m"]);
  });

  it("picks no other target after an attempt that failed", async () => {
    const failing = createDispatch(() => ({ status: 500 }));
    const ctx = new FakeContext({ candidates: [x, y] }, createHost());
    const error = await failureOf(run(await setupMiddlewares([balancer()], createHost()), ctx, failing));
    expect(error.upstream?.status).toBe(500);
    expect(ctx.attempts).toHaveLength(1);
  });

  it("does not compile with an option of another strategy", () => {
    // @ts-expect-error `digest` belongs to `ip-hash`.
    expect(findFaults(balancer({ strategy: "random", digest: "md5" }))).toHaveLength(1);
    expect(findFaults(balancer({ strategy: "ip-hash", digest: "sha1" }))).toEqual([]);
  });

  it.each([
    [{ stratgy: "random" }, "stratgy"],
    [{ strategy: "fastest" }, "strategy"],
    [{ strategy: "random", digest: "md5" }, "digest"],
    [{ strategy: "ip-hash", digest: "crc32" }, "digest"],
    [{ strategy: "consistent-hash", virtualNodes: 0 }, "virtualNodes"],
    [{ strategy: "consistent-hash", loadBound: 0.5 }, "loadBound"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(balancer(options as never)).map((fault) => fault.path)).toEqual([path]);
  });
});
