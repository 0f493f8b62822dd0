import { createSecret } from "../../core/src/config/secret.ts";
import type { Reply, Target, UpstreamFailure } from "gatewright";
import { balancer } from "@gatewright/balancer";
import { healthCheck } from "@gatewright/health-check";
import type { HealthChange } from "@gatewright/health-check";
import { retry } from "@gatewright/retry";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { Guard } from "../../plugins/health-check/src/guard.ts";
import type { Health } from "../../plugins/health-check/src/health.ts";
import { HealthCheckOptions } from "../../plugins/health-check/src/options.ts";
import { mostEjected, selectUsable } from "../../plugins/health-check/src/pool.ts";
import { findOutliers } from "../../plugins/health-check/src/success-rates.ts";
import { createAttemptDispatch, createPlacedBackend, keepCarried, placeTargets } from "./_attempts.ts";
import type { Play } from "./_attempts.ts";
import {
  createHost,
  createTarget,
  failureOf,
  FakeContext,
  findFaults,
  run,
  setupMiddlewares,
  tally,
} from "./_context.ts";
import { describePlugin } from "./_suite.ts";
import { createTargetRig, FAILURE, place } from "./_target-rig.ts";
import type { TargetRig, TargetRigOptions } from "./_target-rig.ts";

describePlugin({ folder: "health-check", factory: "healthCheck", create: () => healthCheck() });

interface Rig extends TargetRig {
  readonly changes: HealthChange[];
  /** Backends whose attempts fail, and how. */
  readonly failing: Map<string, Partial<UpstreamFailure>>;
}

async function rigOf(
  options: Parameters<typeof healthCheck>[0] = {},
  { targets = [place("x"), place("y")], ...around }: Partial<TargetRigOptions> = {},
): Promise<Rig> {
  const changes: HealthChange[] = [];
  const plugin = healthCheck({
    check: "off",
    ...options,
    onChange: (change: HealthChange) => changes.push(change),
  });
  const rig = await createTargetRig([plugin, balancer()], { targets, ...around });
  const failing = new Map<string, Partial<UpstreamFailure>>();
  rig.play = (attempt) => {
    const failure = failing.get(attempt.target.backend.name);
    return failure === undefined ? attempt.whole() : Promise.reject(attempt.fail(failure));
  };
  return Object.assign(rig, { changes, failing });
}

/** So many failing attempts at one target. */
function failAt(rig: Rig, target: Target, times: number, failure?: Partial<UpstreamFailure>): Promise<void> {
  return rig.fail(times, failure, { candidates: [target] });
}

/** Backends that answered so many requests. */
async function answeredBy(rig: Rig, count: number): Promise<Record<string, number>> {
  const names: string[] = [];
  for (let done = 0; done < count; done++) {
    await rig.send();
    names.push(rig.attempts.at(-1)!.target.backend.name);
  }
  return Object.fromEntries(tally(names));
}

describe("ejection", () => {
  it("re-6: five failures in a row eject a backend, and requests go to the others", async () => {
    const rig = await rigOf();
    const [x] = rig.targets;
    await failAt(rig, x!, 4);
    await rig.send({ candidates: [x!] });
    await failAt(rig, x!, 4);
    expect(rig.changes).toEqual([]);
    await failAt(rig, x!, 1);
    expect(rig.changes).toMatchObject([{ backend: "x", to: "ejected", cause: "failures" }]);
    expect(await answeredBy(rig, 10)).toEqual({ y: 10 });
  });

  it("re-6: streams that break off after their first content count", async () => {
    const rig = await rigOf();
    const [x] = rig.targets;
    for (let count = 0; count < 5; count++) {
      await rig.send({ candidates: [x!] }, (attempt) => attempt.stream());
      rig.attempts.at(-1)!.settle("truncated", { kind: "truncated" });
    }
    expect(rig.changes).toMatchObject([{ backend: "x", to: "ejected" }]);
  });

  it.each<[string, Partial<UpstreamFailure>]>([
    ["400", { status: 400 }],
    ["404", { status: 404 }],
    ["429", { status: 429, retryAfterMs: 1_000 }],
  ])("B5: twenty replies of %s eject nothing", async (_, failure) => {
    const rig = await rigOf();
    await failAt(rig, rig.targets[0]!, 20, failure);
    expect(rig.changes).toEqual([]);
  });

  it("B5: clients that leave eject nothing", async () => {
    const rig = await rigOf();
    for (let count = 0; count < 20; count++)
      await failureOf(rig.send({}, (attempt) => Promise.reject(attempt.leave())));
    expect(rig.changes).toEqual([]);
  });

  it("B8: takes base × ejections in a row, capped, up to a tenth less, and decays while healthy", async () => {
    const rig = await rigOf({ rampMs: 0 });
    const [x] = rig.targets;
    const ejectedFor = async (): Promise<number> => {
      await failAt(rig, x!, 5);
      const { forMs } = rig.changes.findLast(({ to }) => to === "ejected")!;
      rig.host.nowMs += forMs!;
      await rig.send();
      return forMs!;
    };
    for (let count = 1; count <= 12; count++) {
      const nominal = Math.min(300_000, 30_000 * count);
      const forMs = await ejectedFor();
      expect(forMs).toBeLessThanOrEqual(nominal);
      expect(forMs).toBeGreaterThanOrEqual(nominal * 0.9);
    }
    // Twelve in a row; 95 healthy seconds make nine of them good, so this is the fourth.
    rig.host.nowMs += 95_000;
    const decayed = await ejectedFor();
    expect(decayed).toBeLessThanOrEqual(120_000);
    expect(decayed).toBeGreaterThanOrEqual(108_000);
    rig.host.nowMs += 1_000_000;
    expect(await ejectedFor()).toBeLessThanOrEqual(30_000);
  });

  it("ignores attempts that end while the backend is out already", async () => {
    const rig = await rigOf({ rampMs: 0 });
    const [x] = rig.targets;
    for (let count = 0; count < 9; count++)
      await rig.send({ candidates: [x!] }, (attempt) => attempt.stream());
    for (const attempt of rig.attempts) attempt.settle("truncated", { kind: "truncated" });
    expect(rig.changes).toHaveLength(1);
    rig.host.nowMs = 30_000;
    await failAt(rig, x!, 4);
    expect(rig.changes.map(({ to }) => to)).toEqual(["ejected", "returned"]);
  });

  it("can be switched off", async () => {
    const rig = await rigOf({ ejection: { enabled: false } });
    await failAt(rig, rig.targets[0]!, 50, { status: 401 });
    await failAt(rig, rig.targets[0]!, 50);
    expect(rig.changes).toEqual([]);
  });

  it("B7: with all backends failing, ejects no more than the maximum and still sends", async () => {
    for (const [size, most] of [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 1],
      [19, 1],
      [20, 2],
    ] as const) {
      expect(mostEjected(size)).toBe(most);
      const targets = Array.from({ length: size }, (_, index) => place(`b${index}`));
      const rig = await rigOf({}, { targets });
      for (const target of targets) rig.failing.set(target.backend.name, FAILURE);
      for (let count = 0; count < size * 12; count++) await failureOf(rig.send());
      expect(rig.attempts).toHaveLength(size * 12);
      expect(rig.changes.filter(({ to }) => to === "ejected")).toHaveLength(most);
    }
  });
});

describe("panic", () => {
  const targets = ["a", "b", "c", "d"].map((name) => place(name));
  const [a, b, c, d] = targets as [Target, Target, Target, Target];

  function usable(
    out: Record<string, "down" | "loading" | "ejected" | "auth_failed">,
    from = targets,
  ): string[] {
    return selectUsable(from, targets, ({ backend }) => out[backend.name], 0.5).map((t) => t.backend.name);
  }

  it("B7: uses ejected backends below half healthy, not at half", () => {
    expect(usable({ a: "ejected", b: "ejected" })).toEqual(["c", "d"]);
    expect(usable({ a: "ejected", b: "ejected", c: "ejected" })).toEqual(["a", "b", "c", "d"]);
  });

  it("never uses what is down or loading", () => {
    expect(usable({ a: "ejected", b: "down", c: "loading" })).toEqual(["a", "d"]);
    expect(usable({ a: "down", b: "down", c: "loading", d: "down" })).toEqual([]);
  });

  it("goes by the whole pool of the model, not by what a retry has left over", () => {
    expect(usable({ a: "ejected" }, [a])).toEqual([]);
    expect(usable({ b: "ejected", c: "ejected", d: "ejected" }, [b, c])).toEqual(["b", "c"]);
  });

  it("counts no target without weight", () => {
    const pool = [a, createTarget("idle", { weight: 0 })];
    expect(
      selectUsable(pool, pool, ({ backend }) => (backend.name === "a" ? "ejected" : undefined), 0.5),
    ).toEqual(pool);
  });

  it("uses a refused credential only where nothing else is left", () => {
    expect(usable({ a: "auth_failed", b: "auth_failed", c: "auth_failed" })).toEqual(["d"]);
    expect(usable({ a: "auth_failed", b: "down", c: "auth_failed", d: "ejected" })).toEqual(["d"]);
    expect(usable({ a: "auth_failed", b: "down", c: "auth_failed", d: "loading" })).toEqual(["a", "c"]);
  });

  it("B7: leaves a pool never empty by ejection and refused credentials alone", () => {
    const exclusions = fc.constantFrom(undefined, "ejected", "auth_failed");
    fc.assert(
      fc.property(fc.array(exclusions, { minLength: 1, maxLength: 12 }), (states) => {
        const pool = states.map((_, index) => place(`b${index}`));
        const left = selectUsable(pool, pool, (target) => states[pool.indexOf(target)], 0.5);
        expect(left.length).toBeGreaterThan(0);
        // What is healthy is never left out.
        expect(left).toEqual(expect.arrayContaining(pool.filter((_, index) => states[index] === undefined)));
      }),
      { seed: 7 },
    );
  });

  it("is switched off by 0", async () => {
    expect(selectUsable([d], [d], () => "ejected", 0)).toEqual([]);
    const rig = await rigOf({ panicShare: 0 }, { targets: [c] });
    await failAt(rig, c, 5);
    const error = await failureOf(rig.send());
    expect([error.status, error.code]).toEqual([503, "no_available_instances"]);
    expect(Number(error.headers["retry-after"])).toBeGreaterThan(26);
    expect(Number(error.headers["retry-after"])).toBeLessThanOrEqual(30);
  });
});

describe("slow start", () => {
  it("B8: gives a backend that returns a share of requests that grows over 30 seconds", async () => {
    const rig = await rigOf();
    await failAt(rig, rig.targets[0]!, 5);
    rig.host.nowMs = 30_000;
    // Offered to the first two and to one in ten, of which the rotation gives it half.
    const first = (await answeredBy(rig, 100))["x"];
    expect(first).toBeGreaterThanOrEqual(5);
    expect(first).toBeLessThanOrEqual(7);
    rig.host.nowMs = 45_000;
    // Offered to half of the requests, of which the rotation gives it half.
    expect((await answeredBy(rig, 400))["x"]).toBe(100);
    rig.host.nowMs = 60_000;
    expect((await answeredBy(rig, 400))["x"]).toBe(200);
  });

  it("offers it to the first two requests, so that a rotation over two tries it at once", async () => {
    const rig = await rigOf();
    await failAt(rig, rig.targets[0]!, 5);
    rig.host.nowMs = 30_000;
    expect(await answeredBy(rig, 2)).toEqual({ x: 1, y: 1 });
  });

  it("uses all when every backend is coming back", async () => {
    const rig = await rigOf({ panicShare: 1 });
    const [x, y] = rig.targets;
    await failAt(rig, x!, 5);
    rig.host.nowMs = 30_000;
    await rig.send();
    await failAt(rig, y!, 5);
    rig.host.nowMs = 60_000 - 1;
    for (let count = 0; count < 50; count++) await rig.send();
    expect(new Set(rig.attempts.slice(-50).map(({ target }) => target.id)).size).toBe(2);
  });

  it("tells the plugins after it what it kept the request from", async () => {
    const rig = await rigOf();
    const seen: unknown[] = [];
    const look: Play = (attempt, ctx) => {
      seen.push(ctx.vars.healthCheck);
      return attempt.whole();
    };
    await failAt(rig, rig.targets[0]!, 5);
    await rig.send({}, look);
    rig.host.nowMs = 30_000;
    for (let count = 0; count < 3; count++) await rig.send({}, look);
    expect(seen).toEqual([
      { excluded: [{ target: "x/m", reason: "ejected" }] },
      undefined,
      undefined,
      { excluded: [{ target: "x/m", reason: "ramping" }] },
    ]);
  });
});

describe("checks", () => {
  async function healthOf(): Promise<{ health: Health; changes: HealthChange[] }> {
    const host = createHost();
    const [x] = [place("x")];
    placeTargets(host, [x]);
    const changes: HealthChange[] = [];
    const guard = new Guard(v.parse(HealthCheckOptions, {}), host, (change) => changes.push(change));
    return { health: guard.of(x.backend), changes };
  }

  it("re-5: take a backend down with the third failure in a row, and up with the second pass in a row", async () => {
    const { health, changes } = await healthOf();
    expect(health.exclusion(0)).toBeUndefined();
    const check = (...passes: boolean[]): void => {
      for (const passed of passes) {
        if (passed) health.checkPassed(0);
        else health.checkMissed("timeout", false);
      }
    };
    check(false, false, true, false, false);
    expect(changes).toEqual([]);
    check(false);
    expect(changes).toEqual([{ backend: "x", to: "down", cause: "timeout" }]);
    check(false, true, false, true);
    expect(health.exclusion(0)).toBe("down");
    check(true);
    expect(health.exclusion(0)).toBeUndefined();
    expect(changes).toHaveLength(2);
  });

  it("re-18: believe in loading at once, and in its end", async () => {
    const { health, changes } = await healthOf();
    health.checkMissed("loading", true);
    expect(health.exclusion(0)).toBe("loading");
    health.checkPassed(0);
    expect(health.exclusion(0)).toBeUndefined();
    expect(changes.map(({ to }) => to)).toEqual(["loading", "up"]);
  });
});

describe("refused credentials", () => {
  it.each([401, 403])(
    "re-11: an account that gets %i is left out and reported; the other answers",
    async (status) => {
      const host = createHost();
      const [first] = await setupMiddlewares([retry()], host);
      const rig = await rigOf({}, { host, before: [first!] });
      rig.failing.set("x", { status });
      expect((await rig.send()).body).toBe("y/m");
      expect(rig.attempts.map(({ target }) => target.id)).toEqual(["x/m", "y/m"]);
      expect(rig.changes).toMatchObject([{ backend: "x", to: "auth_failed", cause: `status ${status}` }]);
      await answeredBy(rig, 5);
      expect(rig.attempts).toHaveLength(7);
      expect(rig.attempts.slice(2).every(({ target }) => target.id === "y/m")).toBe(true);
    },
  );

  it("re-11: with none left the backend's own refusal goes out", async () => {
    const rig = await rigOf();
    for (const name of ["x", "y"]) rig.failing.set(name, { status: 401 });
    for (let count = 0; count < 4; count++) expect((await failureOf(rig.send())).upstream?.status).toBe(401);
    expect(rig.changes).toHaveLength(2);
  });

  it("re-11: a new key starts anew; the same one does not", async () => {
    const host = createHost();
    keepCarried(host);
    const account = (key: string): Target =>
      createTarget("x", { backend: createPlacedBackend("x", { apiKey: createSecret(key) }) });
    const first = await rigOf({}, { host, targets: [account("sk-one"), place("y")] });
    await failAt(first, first.targets[0]!, 1, { status: 401 });
    const same = await rigOf({ rampMs: 0 }, { host, targets: [account("sk-one"), place("y")] });
    expect(await answeredBy(same, 4)).toEqual({ y: 4 });
    const renewed = await rigOf({ rampMs: 0 }, { host, targets: [account("sk-two"), place("y")] });
    expect(await answeredBy(renewed, 4)).toEqual({ x: 2, y: 2 });
  });
});

describe("success rate", () => {
  it("finds those below the mean by more than 1.9 deviations, among five with a hundred attempts", () => {
    const rates = (succeeded: number[], total = 100): Map<string, { total: number; succeeded: number }> =>
      new Map(succeeded.map((count, index) => [`b${index}`, { total, succeeded: count }]));
    // One of five at 60, four at 100: mean 92, deviation 16, bound 61.6.
    expect(findOutliers(rates([60, 100, 100, 100, 100]))).toEqual(["b0"]);
    expect(findOutliers(rates([60, 100, 100, 100]))).toEqual([]);
    expect(findOutliers(rates([60, 90, 95, 100, 100], 99))).toEqual([]);
    expect(findOutliers(rates([80, 85, 90, 95, 100]))).toEqual([]);
    expect(findOutliers(rates([99, 99, 99, 99, 99]))).toEqual([]);
  });

  it("re-6: ejects a backend that fails more often than its peers, though never in a row", async () => {
    const targets = Array.from({ length: 5 }, (_, index) => place(`b${index}`));
    const rig = await rigOf({ ejection: { successRate: true } }, { targets });
    for (let count = 0; count < 600; count++) {
      rig.host.nowMs += 50;
      const fails = count % 20 === 0;
      const play: Play = (attempt) => {
        if (fails) return Promise.reject(attempt.fail(FAILURE));
        return attempt.whole();
      };
      if (fails) await failureOf(rig.send({}, play));
      else await rig.send({}, play);
    }
    // Every twentieth request fails, each time at the same one of five: a quarter of its attempts.
    rig.host.nowMs += 50;
    await rig.send();
    expect(rig.changes).toMatchObject([{ backend: "b0", to: "ejected", cause: "success_rate" }]);
  });
});

describe("reload", () => {
  it("B15: keeps ejections of unchanged backends, and lets a new one in slowly", async () => {
    const host = createHost();
    keepCarried(host);
    const first = await rigOf({}, { host });
    await failAt(first, first.targets[0]!, 5);
    const second = await rigOf({}, { host, targets: [place("x"), place("y"), place("new")] });
    const shares = await answeredBy(second, 100);
    expect(shares["x"]).toBeUndefined();
    expect(shares["new"]).toBeGreaterThan(0);
    expect(shares["new"]).toBeLessThan(15);
  });

  it("takes a backend that moved for another", async () => {
    const host = createHost();
    keepCarried(host);
    const first = await rigOf({}, { host });
    await failAt(first, first.targets[0]!, 5);
    const moved = createPlacedBackend("x", { baseURL: new URL("http://elsewhere.test/v1") });
    const second = await rigOf(
      { rampMs: 0 },
      { host, targets: [createTarget("x", { backend: moved }), place("y")] },
    );
    expect(await answeredBy(second, 4)).toEqual({ x: 2, y: 2 });
  });
});

describe("options", () => {
  it.each([
    [{ check: "ping" }, "check"],
    [{ path: "health" }, "path"],
    [{ ejection: { failures: 0 } }, "ejection.failures"],
    [{ backends: { x: { chek: "tcp" } } }, "backends.x.chek"],
    [{ panicShare: 1.5 }, "panicShare"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(healthCheck(options as never)).map((fault) => fault.path)).toEqual([path]);
  });

  it("refuses an ejection that begins above its end, and checks of a backend that does not exist", async () => {
    expect(findFaults(healthCheck({ ejection: { baseMs: 2, maxMs: 1 } }))).toHaveLength(1);
    await expect(rigOf({ backends: { nosuch: {} } })).rejects.toThrow("backends.nosuch");
  });

  it("goes on when `onChange` throws", async () => {
    const host = createHost();
    const targets = [place("x"), place("y")];
    placeTargets(host, targets);
    const middlewares = await setupMiddlewares(
      [
        healthCheck({
          check: "off",
          ejection: { failures: 1 },
          onChange() {
            throw new Error("a listener of its own");
          },
        }),
      ],
      host,
    );
    const dispatch = createAttemptDispatch(host, (attempt) =>
      attempt.target === targets[0] ? Promise.reject(attempt.fail(FAILURE)) : attempt.whole(),
    );
    const send = (): Promise<Reply> =>
      run(middlewares, new FakeContext({ candidates: targets }, host), dispatch);
    expect((await failureOf(send())).upstream?.status).toBe(500);
    expect((await send()).body).toBe("y/m");
  });
});
