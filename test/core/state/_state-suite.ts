import { parseJson, stringifyJson } from "gatewright";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { StateRoot } from "../../../core/src/state/create-state.ts";
import { countAll, countDurably, swap, tokenBucket } from "./_sample-ops.ts";

export interface StateSuite {
  driver: StateRoot["driver"];
  shared: boolean;
  /** A store with nothing in it. */
  open(): Promise<StateRoot>;
  /** Lets so much time pass for the store. */
  passTime(ms: number): void | Promise<void>;
}

const PATHLIKE_KEYS =
  "a a:b a/b a\\b a::b a:b: :a:b a:b?x a?x A a$ a.b a.json . .. ../a ~ ~003a a~003ab % %3A * a* [a]";
const ODD_CHARACTERS = ["", " ", "a b", "a\nb", "\0", "\u00e9", "e\u0301", "\u65e5", "\ud800", "\udc00"];
const ODD_NAMES = ["__proto__", "constructor", "k".repeat(400), "k".repeat(401)];

/** What every driver promises. */
export function stateSuite(suite: StateSuite): void {
  describe(`${suite.driver} state`, () => {
    let root: StateRoot;
    beforeEach(async () => {
      root = await suite.open();
    });
    afterEach(() => root.close());

    test("names its driver and whether processes share it", () => {
      expect(root.driver).toBe(suite.driver);
      expect(root.shared).toBe(suite.shared);
      expect(root.status()).toEqual({ ok: true });
    });

    describe("documents", () => {
      test("are kept, replaced and removed", async () => {
        expect(await root.get("user")).toBeUndefined();
        await root.set("user", { name: "Ada", tags: [1, null, { deep: true }] });
        expect(await root.get("user")).toEqual({ name: "Ada", tags: [1, null, { deep: true }] });
        await root.set("user", { name: "Grace" });
        expect(await root.get("user")).toEqual({ name: "Grace" });
        await root.remove("user");
        expect(await root.get("user")).toBeUndefined();
        await root.remove("user");
      });

      test("hold integers longer than a number digit by digit", async () => {
        const text = '{"id":1234567890123456789,"more":[-9223372036854775807]}';
        await root.set("long", parseJson(text) as object);
        expect(stringifyJson(await root.get("long"))).toBe(text);
      });

      test("are copies: changing one that was set or read changes nothing stored", async () => {
        const value = { list: [1] };
        await root.set("copy", value);
        value.list.push(2);
        (await root.get<typeof value>("copy"))!.list.push(3);
        expect(await root.get("copy")).toEqual({ list: [1] });
      });

      test("keep texts that look like other values, and fields named like built-ins", async () => {
        const value = { constructor: "c", number: "123", nothing: "null", text: "base64:AAAA", empty: "" };
        await root.set("odd", value);
        expect(await root.get("odd")).toEqual(value);
      });

      test("have keys that never fold together", async () => {
        const keys = [...PATHLIKE_KEYS.split(" "), ...ODD_CHARACTERS, ...ODD_NAMES];
        for (const [i, key] of keys.entries()) await root.set(key, { i });
        for (const [i, key] of keys.entries())
          expect(await root.get(key), JSON.stringify(key)).toEqual({ i });
        expect((await root.keys()).sort()).toEqual([...keys].sort());
        for (const key of keys.slice(1)) await root.remove(key);
        expect(await root.keys()).toEqual(["a"]);
      });

      test("are listed below a prefix", async () => {
        for (const key of ["x:1", "x:2", "x:2:y", "xy:1", "y"]) await root.set(key, {});
        expect((await root.keys("x:")).sort()).toEqual(["x:1", "x:2", "x:2:y"]);
        expect((await root.keys("x")).sort()).toEqual(["x:1", "x:2", "x:2:y", "xy:1"]);
        expect(await root.keys("z")).toEqual([]);
      });

      test("are gone after their time to live, and stay when set again without one", async () => {
        await root.set("short", { v: 1 }, { ttlMs: 150 });
        await root.set("kept", { v: 1 }, { ttlMs: 150 });
        await root.set("kept", { v: 2 });
        expect(await root.get("short")).toEqual({ v: 1 });
        await suite.passTime(151);
        expect(await root.get("short")).toBeUndefined();
        expect(await root.get("kept")).toEqual({ v: 2 });
        expect(await root.keys()).toEqual(["kept"]);
      });

      test("refuse a time to live that is not above 0", async () => {
        await expect(root.set("never", {}, { ttlMs: 0 })).rejects.toThrow(RangeError);
      });

      test("set at once under one key end as the last one", async () => {
        await Promise.all(Array.from({ length: 20 }, (_, i) => root.set("race", { i })));
        expect(await root.get("race")).toEqual({ i: 19 });
      });
    });

    describe("scopes", () => {
      test("separate keys, of documents and of records", async () => {
        const [a, b] = [root.scoped("a"), root.scoped("b")];
        await a.set("key", { of: "a" });
        await a.run(countAll, ["key"], [1, 9, 60_000]);
        expect(await b.get("key")).toBeUndefined();
        expect(await b.run(countAll, ["key"], [0, 9, 60_000])).toEqual([1, 0]);
        expect(await a.keys()).toEqual(["key"]);
        expect(await b.keys()).toEqual([]);
      });

      test("nest, and are the same state under a longer prefix", async () => {
        const nested = root.scoped("a").scoped("b");
        await nested.set("c", { v: 1 });
        await nested.run(countAll, ["c"], [2, 9, 60_000]);
        expect(await root.get("a:b:c")).toEqual({ v: 1 });
        expect(await root.scoped("a:b").run(countAll, ["c"], [1, 9, 60_000])).toEqual([1, 3]);
        expect(await root.run(countAll, ["a:b:c"], [1, 9, 60_000])).toEqual([1, 4]);
      });
    });

    describe("atomic operations", () => {
      test("R1, R5: 2,000 at once against a limit of 500 admit exactly 500", async () => {
        const calls = Array.from({ length: 2_000 }, async () =>
          root.run(countAll, ["hot"], [1, 500, 60_000]),
        );
        const admitted = (await Promise.all(calls)).filter(([fits]) => fits === 1);
        expect(admitted).toHaveLength(500);
        expect(new Set(admitted.map(([, count]) => count)).size).toBe(500);
      });

      test("a limit holds for durable ones too", async () => {
        const calls = Array.from({ length: 200 }, async () =>
          root.run(countDurably, ["hot"], [1, 50, 60_000]),
        );
        expect((await Promise.all(calls)).filter(([fits]) => fits === 1)).toHaveLength(50);
      });

      test("several keys change together or not at all", async () => {
        await root.run(countAll, ["b"], [8, 10, 60_000]);
        expect(await root.run(countAll, ["a", "b", "c"], [3, 10, 60_000])).toEqual([0, 0, 8, 0]);
        expect(await root.run(countAll, ["a", "b", "c"], [2, 10, 60_000])).toEqual([1, 2, 10, 2]);
      });

      test("records and documents under one key are two things", async () => {
        await root.set("key", { v: 1 });
        await root.run(countAll, ["key"], [5, 10, 60_000]);
        expect(await root.get("key")).toEqual({ v: 1 });
        expect(await root.keys()).toEqual(["key"]);
      });

      test("records are gone after their time to live", async () => {
        await root.run(countAll, ["brief"], [5, 10, 150]);
        expect(await root.run(countAll, ["brief"], [0, 10, 150])).toEqual([1, 5]);
        await suite.passTime(151);
        expect(await root.run(countAll, ["brief"], [0, 10, 150])).toEqual([1, 0]);
      });

      test("the store's clock moves on in microseconds", async () => {
        const state = root.scoped("bucket");
        // Burst of 2 at one per 150 ms.
        for (const admitted of [1, 1, 0]) {
          expect((await state.run(tokenBucket, ["k"], [150_000, 2, 1]))[0]).toBe(admitted);
        }
        await suite.passTime(151);
        expect((await state.run(tokenBucket, ["k"], [150_000, 2, 1]))[0]).toBe(1);
      });

      test("numbers and strings come back as they went", async () => {
        await root.run(swap, ["k"], ["1e3", 0.1 + 0.2]);
        expect(await root.run(swap, ["k"], ["", -1e-300])).toEqual(["1e3", 0.1 + 0.2]);
        expect(await root.run(swap, ["k"], ["日本\n\0", 2 ** 53 - 1])).toEqual(["", -1e-300]);
        expect(await root.run(swap, ["k"], ["", 0])).toEqual(["日本\n\0", 2 ** 53 - 1]);
      });
    });
  });
}
