import { describe, expect, test, vi } from "vitest";
import { createClock, neverBack } from "../../../core/src/state/clock.ts";
import { createState } from "../../../core/src/state/create-state.ts";
import { ExpiringMap } from "../../../core/src/state/memory/expiring-map.ts";
import { defineAtomicOp, StateUnavailable } from "../../../core/src/state/state.ts";
import type { AtomicStep } from "../../../core/src/state/state.ts";
import { countAll } from "./_sample-ops.ts";
import { stateSuite } from "./_state-suite.ts";

let nowUs = 1_700_000_000_000_000;

stateSuite({
  driver: "memory",
  shared: false,
  open: () => createState({ driver: "memory" }, { now: () => nowUs }),
  passTime(ms) {
    nowUs += ms * 1_000;
  },
});

describe("memory state", () => {
  test("answers an operation without a promise", async () => {
    const state = await createState({ driver: "memory" });
    expect(state.run(countAll, ["k"], [1, 2, 1_000])).toEqual([1, 1]);
    await state.close();
  });

  test("R10: a flood of keys stays within maxKeys, and keys in use outlive it", async () => {
    const state = await createState({ driver: "memory", maxKeys: 100 });
    for (let i = 0; i < 10_000; i++) {
      await state.run(countAll, [`flood-${i}`], [1, 1e9, 60_000]);
      await state.run(countAll, ["hot"], [1, 1e9, 60_000]);
    }
    expect(await state.run(countAll, ["hot"], [0, 1e9, 60_000])).toEqual([1, 10_000]);
    expect(await state.run(countAll, ["flood-0"], [0, 1e9, 60_000])).toEqual([1, 0]);
    await state.close();
  });

  test("documents without a time to live are refused beyond maxKeys, never dropped", async () => {
    const state = await createState({ driver: "memory", maxKeys: 2 });
    await state.set("a", {});
    await state.set("b", {});
    await expect(state.set("c", {})).rejects.toThrow(StateUnavailable);
    await state.set("b", { again: true });
    for (const key of ["x", "y", "z"]) await state.set(key, {}, { ttlMs: 60_000 });
    expect((await state.keys()).sort()).toEqual(["a", "b", "y", "z"]);
    await state.close();
  });

  test("an operation that breaks its contract changes no key", async () => {
    const state = await createState({ driver: "memory" });
    const broken = (step: Partial<AtomicStep<{ count: number }, [number]>>) =>
      defineAtomicOp<{ count: number }, [], [number]>({
        name: "broken",
        reduce: () => ({
          states: [{ count: 5 }, { count: 5 }],
          result: [1],
          ttlMs: [60_000, 60_000],
          ...step,
        }),
        lua: "",
      });
    const steps = [
      { ttlMs: [60_000, 0] },
      { ttlMs: [60_000, 0.5] },
      { ttlMs: [60_000] },
      { states: [{ count: 5 }] },
    ];
    for (const step of steps) {
      expect(() => state.run(broken(step), ["a", "b"], [])).toThrow(TypeError);
    }
    expect(await state.run(countAll, ["a", "b"], [0, 9, 60_000])).toEqual([1, 0, 0]);
    await state.close();
  });
});

describe("the bounded map", () => {
  test("evicts what was not used, or has expired, before what was used", () => {
    const map = new ExpiringMap<number>(3);
    map.set("used", 1, 100, 0);
    map.set("expired", 2, 10, 0);
    map.set("idle", 3, 100, 0);
    map.find("used", 0);
    map.find("expired", 0);
    map.set("new", 4, 100, 50);
    expect([...map.entries()].map(([key]) => key)).toEqual(["used", "idle", "new"]);
    map.set("newer", 5, 100, 50);
    expect([...map.entries()].map(([key]) => key)).toEqual(["used", "new", "newer"]);
  });

  test("evicts after a bounded look-round when everything is in use", () => {
    const map = new ExpiringMap<number>(1_000);
    for (let i = 0; i < 1_000; i++) map.set(`${i}`, i, 100, 0);
    for (let i = 0; i < 1_000; i++) map.find(`${i}`, 0);
    map.set("new", 0, 100, 0);
    expect(map.size).toBe(1_000);
    expect(map.find("new", 0)).toBeDefined();
  });

  test("is swept of expired entries slice by slice, while it changes", () => {
    const map = new ExpiringMap<number>(10_000);
    for (let i = 0; i < 1_000; i++) map.set(`${i}`, i, i % 2 === 0 ? 10 : 100, 0);
    map.sweep(50, 300);
    expect(map.size).toBe(850);
    map.set("late", 0, 20, 0);
    map.delete("999");
    for (let i = 0; i < 10; i++) map.sweep(50, 100);
    expect(map.size).toBe(499);
  });
});

describe("the clock", () => {
  test("holds still while its source goes back", () => {
    const source = [5.9, 7.2, 3, 6, 8];
    const clock = neverBack(() => source.shift()!, 6);
    expect([clock(), clock(), clock(), clock(), clock()]).toEqual([6, 7, 7, 7, 8]);
  });

  test("gives whole microseconds of the wall clock", () => {
    const clock = createClock();
    const before = Date.now() * 1_000;
    const us = clock();
    expect(Number.isInteger(us)).toBe(true);
    expect(us).toBeGreaterThanOrEqual(before - 2_000);
    expect(clock()).toBeGreaterThanOrEqual(us);
  });

  test("goes on by the monotonic clock when the wall clock is set back, and follows one that leaps ahead", () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: 1_700_000_000_000 });
    try {
      const clock = createClock();
      expect(clock()).toBe(1_700_000_000_000_000);
      vi.setSystemTime(1_600_000_000_000);
      vi.advanceTimersByTime(2_000);
      expect(clock()).toBe(1_700_000_002_000_000);
      vi.setSystemTime(1_800_000_000_000);
      vi.advanceTimersByTime(1_000);
      expect(clock()).toBe(1_800_000_001_000_000);
    } finally {
      vi.useRealTimers();
    }
  });
});
