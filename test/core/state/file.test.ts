import { fork } from "node:child_process";
import { once } from "node:events";
import {
  appendFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseJson } from "gatewright";
import { afterAll, describe, expect, test } from "vitest";
import { createClock } from "../../../core/src/state/clock.ts";
import { createState } from "../../../core/src/state/create-state.ts";
import { nodeFileSystem } from "../../../core/src/state/file/file-system.ts";
import { openFileStore } from "../../../core/src/state/file/file-store.ts";
import type { FileStoreOptions } from "../../../core/src/state/file/file-store.ts";
import { lockFolder } from "../../../core/src/state/file/lock.ts";
import { encodeRecord, readRecords } from "../../../core/src/state/file/records.ts";
import { StateUnavailable } from "../../../core/src/state/state.ts";
import { waitFor } from "../../_support/wait-for.ts";
import { createFaultFs, ioError } from "./_fault-fs.ts";
import { countAll, countDurably } from "./_sample-ops.ts";
import { stateSuite } from "./_state-suite.ts";

const dirs: string[] = [];
afterAll(async () => {
  for (const dir of dirs) await rm(dir, { recursive: true });
});

async function newDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "gatewright-state-"));
  dirs.push(dir);
  return dir;
}

let nowUs = 1_700_000_000_000_000;

stateSuite({
  driver: "file",
  shared: false,
  open: async () => createState({ driver: "file", dir: await newDir() }, { now: () => nowUs }),
  passTime(ms) {
    nowUs += ms * 1_000;
  },
});

const open = (dir: string, options: Partial<FileStoreOptions> = {}) =>
  openFileStore({ dir, clock: createClock(), ...options });

const HOUR = 3_600_000;
const add = (by: number) => [by, 1e9, HOUR] as [number, number, number];
const documentsOf = (dir: string) => readdir(join(dir, "documents"));
const recordsOf = (dir: string) => readdir(join(dir, "records"));

describe("file state over a restart", () => {
  test("keeps documents and records", async () => {
    const dir = await newDir();
    const first = await open(dir);
    await first.documents.set("doc", { v: 1 });
    await first.run(countDurably, "", ["durable"], add(3));
    await first.run(countAll, "", ["flushed", "too"], add(4));
    await first.close();
    const second = await open(dir);
    expect(await second.documents.get("doc")).toEqual({ v: 1 });
    expect(await second.run(countAll, "", ["durable", "flushed", "too"], add(0))).toEqual([1, 3, 4, 4]);
    await second.close();
  });

  test("writes integers longer than a number as another process reads them", async () => {
    const dir = await newDir();
    const first = await open(dir);
    await first.documents.set("doc", parseJson('{"id":1234567890123456789}') as object);
    await first.close();
    const [name = ""] = await documentsOf(dir);
    expect(await readFile(join(dir, "documents", name), "utf8")).toContain('{"id":1234567890123456789}');
  });

  test("answers an operation without a promise unless it is durable", async () => {
    const store = await open(await newDir());
    expect(store.run(countAll, "", ["k"], add(1))).toEqual([1, 1]);
    const durable = store.run(countDurably, "", ["k"], add(1));
    expect(durable).toBeInstanceOf(Promise);
    expect(await durable).toEqual([1, 2]);
    await store.close();
  });

  test("flushes what is not durable by itself", async () => {
    const dir = await newDir();
    const store = await open(dir, { flushMs: 5 });
    await store.run(countAll, "", ["flushed-key"], add(1));
    await waitFor("the flush", async () => {
      const names = await recordsOf(dir);
      const texts = await Promise.all(names.map((name) => readFile(join(dir, "records", name), "latin1")));
      return texts.some((text) => text.includes("flushed-key"));
    });
    await store.close();
  });

  test("forgets what has expired meanwhile, files included", async () => {
    const dir = await newDir();
    let us = 1_700_000_000_000_000;
    const first = await open(dir, { clock: () => us });
    await first.documents.set("brief", {}, { ttlMs: 1_000 });
    await first.documents.set("kept", {});
    await first.run(countAll, "", ["brief"], [5, 9, 1_000]);
    await first.run(countAll, "", ["kept"], [5, 9, 5_000]);
    await first.close();
    us += 1_000_000;
    const second = await open(dir, { clock: () => us });
    expect(await second.documents.keys("")).toEqual(["kept"]);
    expect(await documentsOf(dir)).toHaveLength(1);
    expect(await second.run(countAll, "", ["brief", "kept"], [0, 9, 1_000])).toEqual([1, 0, 5]);
    await second.close();
  });

  test("its clock does not go back, but a wrong clock of long ago is not waited for", async () => {
    const dir = await newDir();
    const seen: number[] = [];
    const stamp = {
      ...countDurably,
      reduce: (...[states, args, now]: Parameters<typeof countAll.reduce>) => {
        seen.push(now);
        return countAll.reduce(states, args, now);
      },
    };
    for (const us of [5e15, 5e15 - 10e6, 2e15]) {
      const store = await open(dir, { clock: () => us });
      await store.run(stamp, "", ["k"], add(1));
      await store.close();
    }
    expect(seen).toEqual([5e15, 5e15, 2e15]);
  });

  test("makes snapshots under load, and keeps few files and every count", async () => {
    const dir = await newDir();
    const first = await open(dir, { segmentBytes: 2_000, flushMs: 1 });
    for (let round = 0; round < 150; round++) {
      const calls = [`pair-${round % 40}`, "hot"].map(async (key) =>
        first.run(countDurably, "", [key, "all"], add(1)),
      );
      await Promise.all(calls);
    }
    await first.close();
    expect((await recordsOf(dir)).some((name) => name.endsWith(".snapshot"))).toBe(true);
    expect((await recordsOf(dir)).length).toBeLessThan(6);
    const second = await open(dir);
    expect(await second.run(countAll, "", ["hot", "all", "pair-0", "pair-39"], add(0))).toEqual([
      1, 150, 300, 4, 3,
    ]);
    await second.close();
  });
});

describe("files", () => {
  test("K1: a document is acknowledged after temp file, fsync, rename and fsync of the folder, mode 0600", async () => {
    const dir = await newDir();
    const { fs, calls } = createFaultFs();
    const store = await open(dir, { fs });
    calls.length = 0;
    await store.documents.set("Users:1", { v: 1 });
    const [main] = await documentsOf(dir);
    expect(main).toMatch(/^users-1\.[0-9a-f]{32}\.json$/);
    const steps = calls.map((call) => call.replaceAll(/\.[0-9a-f]{16}\.tmp/g, ".tmp"));
    expect(steps).toEqual([
      `open:wx:600 ${main}.tmp`,
      `appendFile ${main}.tmp`,
      `sync ${main}.tmp`,
      `link ${main}.bak`,
      `rename ${main}`,
      "open:r: documents",
      "sync documents",
    ]);
    expect((await stat(join(dir, "documents", main!))).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test("the document before is read when the file fails its checksum, and its loss is told", async () => {
    const dir = await newDir();
    const errors: string[] = [];
    const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void errors.push(message) };
    const store = await open(dir, { log });
    await store.documents.set("doc", { v: 1 });
    await store.documents.set("doc", { v: 2 });
    const main = (await documentsOf(dir)).find((name) => name.endsWith(".json"))!;
    const bytes = await readFile(join(dir, "documents", main), "utf8");
    await writeFile(join(dir, "documents", main), bytes.replace('"v":2}', '"v":3}'));
    expect(await store.documents.get("doc")).toEqual({ v: 1 });
    expect(errors).toHaveLength(1);
    await truncate(join(dir, "documents", `${main}.bak`), 10);
    await expect(store.documents.get("doc")).rejects.toThrow(StateUnavailable);
    await store.documents.set("doc", { v: 4 });
    expect(await store.documents.get("doc")).toEqual({ v: 4 });
    await store.close();
  });

  test("K1: what a crash left behind is cleared at start", async () => {
    const dir = await newDir();
    const first = await open(dir);
    await first.documents.set("doc", { v: 1 });
    await first.documents.set("gone", { v: 1 });
    await first.documents.set("gone", { v: 2 });
    await first.close();
    const before = await documentsOf(dir);
    const main = before.find((name) => name.startsWith("doc."))!;
    await writeFile(join(dir, "documents", `${main}.0123456789abcdef.tmp`), "half");
    await rm(
      join(
        dir,
        "documents",
        before.find((name) => /^gone.*json$/.test(name))!,
      ),
    );
    const second = await open(dir);
    expect(await documentsOf(dir)).toEqual([main]);
    expect(await second.documents.get("doc")).toEqual({ v: 1 });
    expect(await second.documents.get("gone")).toBeUndefined();
    await second.close();
  });

  test("a removed document stays removed, its older copy too", async () => {
    const dir = await newDir();
    const store = await open(dir);
    await store.documents.set("doc", { v: 1 });
    await store.documents.set("doc", { v: 2 });
    await store.documents.remove("doc");
    expect(await documentsOf(dir)).toEqual([]);
    await store.close();
  });

  test("a read error is thrown and is not taken for absence", async () => {
    const dir = await newDir();
    let failing = false;
    const readFile: typeof nodeFileSystem.readFile = ((...args: Parameters<typeof nodeFileSystem.readFile>) =>
      failing
        ? Promise.reject(ioError("EIO"))
        : nodeFileSystem.readFile(...args)) as typeof nodeFileSystem.readFile;
    const store = await open(dir, { fs: { ...nodeFileSystem, readFile } });
    await store.documents.set("doc", {});
    failing = true;
    await expect(store.documents.get("doc")).rejects.toThrow(StateUnavailable);
    failing = false;
    await store.close();
  });
});

describe("a folder that cannot be", () => {
  const refusal = (dir: string, code: string) =>
    new RegExp(`^The state folder ${dir} cannot be used: ${code}\\b.*\\. Set \`state.dir\` to a folder`);
  const openAt = (dir: string) => createState({ driver: "file", dir });

  test("to-2: is made with those above it, for the owner alone", async () => {
    const dir = join(await newDir(), "a", "b", "c");
    const state = await openAt(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dir, "..", ".."))).mode & 0o777).toBe(0o700);
    await state.close();
  });

  test("to-2: a file in its place, or above it, is refused", async () => {
    const file = join(await newDir(), "note");
    await writeFile(file, "a file");
    await expect(openAt(file)).rejects.toThrow(refusal(file, "EEXIST"));
    await expect(openAt(join(file, "state"))).rejects.toThrow(refusal(join(file, "state"), "ENOTDIR"));
    await expect(openAt(join(file, "more", "state"))).rejects.toThrow(StateUnavailable);
  });

  test("to-2: a place that takes no folders, such as /proc, is refused", async () => {
    for (const dir of ["/proc/gatewright", "/proc/gatewright/state", "/proc/self/fd/state"])
      await expect(openAt(dir)).rejects.toThrow(StateUnavailable);
    // What /proc answers on Linux, wherever this runs: it is there, and has no place for anything.
    const dir = join(await newDir(), "state");
    await expect(open(dir, { fs: refusing("ENOENT") })).rejects.toThrow(refusal(dir, "ENOENT"));
  });

  test.each(["EACCES", "EROFS", "EPERM"])(
    "to-2: a folder that may not be written is refused: %s",
    async (code) => {
      const above = await newDir();
      for (const dir of [above, join(above, "state"), join(above, "more", "state")])
        await expect(open(dir, { fs: refusing(code) })).rejects.toThrow(refusal(dir, code));
    },
  );

  /** A disk on which nothing can be made. */
  function refusing(code: string): typeof nodeFileSystem {
    const refuse = () => Promise.reject(ioError(code));
    return { ...nodeFileSystem, mkdir: refuse, open: refuse };
  }
});

describe("a failing disk", () => {
  test("K5: a document whose fsync fails once is written again, not only synced again", async () => {
    const dir = await newDir();
    const faulty = createFaultFs();
    const store = await open(dir, { fs: faulty.fs });
    let failures = 1;
    faulty.fault = (call) => (call === "sync" && failures-- > 0 ? ioError("EIO") : undefined);
    await store.documents.set("doc", { v: 1 });
    expect(faulty.calls.filter((call) => call.startsWith("appendFile"))).toHaveLength(2);
    expect(await store.documents.get("doc")).toEqual({ v: 1 });
    expect(await documentsOf(dir)).toHaveLength(1);
    await store.close();
  });

  test("K5: a group of records whose fsync fails once is written again, into a new segment", async () => {
    const dir = await newDir();
    const faulty = createFaultFs();
    const store = await open(dir, { fs: faulty.fs });
    await store.run(countDurably, "", ["k"], add(1));
    let failures = 1;
    faulty.fault = (call) => (call === "datasync" && failures-- > 0 ? ioError("EIO") : undefined);
    await store.run(countDurably, "", ["k"], add(1));
    expect((await recordsOf(dir)).sort()).toEqual(["1.log", "2.log"]);
    await store.close();
    const again = await open(dir);
    expect(await again.run(countAll, "", ["k"], add(0))).toEqual([1, 2]);
    await again.close();
  });

  test.each(["open:wx:600", "appendFile", "sync", "rename"])(
    "a failing %s leaves the old document",
    async (step) => {
      const dir = await newDir();
      const faulty = createFaultFs();
      const store = await open(dir, { fs: faulty.fs });
      await store.documents.set("doc", { v: 1 });
      faulty.fault = (call, file) => (call === step && file !== "documents" ? ioError("ENOSPC") : undefined);
      await expect(store.documents.set("doc", { v: 2 })).rejects.toThrow(StateUnavailable);
      expect(await store.documents.get("doc")).toEqual({ v: 1 });
      expect((await documentsOf(dir)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
      faulty.fault = () => undefined;
      await store.documents.set("doc", { v: 3 });
      expect(await store.documents.get("doc")).toEqual({ v: 3 });
      await store.close();
    },
  );

  test("operations fail as StateUnavailable while it lasts, and nothing is lost when it is over", async () => {
    const dir = await newDir();
    const faulty = createFaultFs();
    const store = await open(dir, { fs: faulty.fs, flushMs: 1 });
    await store.run(countDurably, "", ["k"], add(1));
    faulty.fault = (call) => (call === "appendFile" ? ioError("ENOSPC") : undefined);
    await expect(store.run(countDurably, "", ["k"], add(1))).rejects.toThrow(StateUnavailable);
    expect(store.status().ok).toBe(false);
    expect(() => store.run(countAll, "", ["k"], add(1))).toThrow(StateUnavailable);
    faulty.fault = () => undefined;
    await waitFor("the recovery", () => store.status().ok);
    expect(await store.run(countDurably, "", ["k"], add(1))).toEqual([1, 3]);
    await store.close();
    const again = await open(dir);
    expect(await again.run(countAll, "", ["k"], add(0))).toEqual([1, 3]);
    await again.close();
  });
});

describe("records on disk", () => {
  const payloads = fc.array(fc.string({ minLength: 1, unit: "grapheme" }), { minLength: 1, maxLength: 8 });

  test("K3: a segment cut at any byte gives its whole records and no more", () => {
    fc.assert(
      fc.property(payloads, fc.double({ min: 0, max: 1, noNaN: true }), (texts, share) => {
        const records = texts.map(encodeRecord);
        const whole = Buffer.concat(records);
        const cut = Math.floor(whole.length * share);
        let bytes = 0;
        const kept = texts.filter((_, i) => (bytes += records[i]!.length) <= cut);
        for (const filler of [0, 100]) {
          const read: string[] = [];
          // A crash may leave the file longer than what reached it: zeros.
          const torn = Buffer.concat([whole.subarray(0, cut), Buffer.alloc(cut < whole.length ? filler : 0)]);
          const { end, tail } = readRecords(torn, (text) => read.push(text));
          expect(read).toEqual(kept);
          expect(end).toBe(kept.reduce((sum, _, i) => sum + records[i]!.length, 0));
          expect(tail).toBe(end === torn.length ? "none" : "torn");
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  test("a changed byte before good records is damage and not a torn tail", () => {
    const [first, second] = [encodeRecord("first"), encodeRecord("second")];
    first[10]! ^= 1;
    expect(readRecords(Buffer.concat([first, second]), () => {})).toEqual({ end: 0, tail: "damaged" });
    expect(readRecords(first, () => {})).toEqual({ end: 0, tail: "torn" });
  });

  test("K3: a torn tail is cut at start; damage refuses the start and says where", async () => {
    const dir = await newDir();
    const first = await open(dir);
    for (let i = 0; i < 3; i++) await first.run(countDurably, "", ["k"], add(1));
    await first.close();
    const log = join(dir, "records", "1.log");
    await appendFile(log, encodeRecord('{"t":1,"e":[["k"]]}').subarray(0, 20));
    const second = await open(dir);
    expect(await second.run(countDurably, "", ["k"], add(1))).toEqual([1, 4]);
    await second.close();

    const last = (await recordsOf(dir)).find((name) => name.endsWith(".log"));
    const path = join(dir, "records", last!);
    const bytes = await readFile(path);
    const damaged = Buffer.concat([bytes, bytes]);
    damaged[12]! ^= 1;
    await writeFile(path, damaged);
    await expect(open(dir)).rejects.toThrow(/log is damaged at byte 0/);
    await writeFile(path, bytes);
    const third = await open(dir);
    expect(await third.run(countAll, "", ["k"], add(0))).toEqual([1, 4]);
    await third.close();
  });
});

describe("the lock", () => {
  test("K8, R3: a second holder in this process is refused, with a message that says by whom", async () => {
    const dir = await newDir();
    const store = await open(dir);
    await expect(open(dir)).rejects.toThrow(new RegExp(`in use by process ${process.pid} .*use Redis`));
    await store.close();
    await (await open(dir)).close();
  });

  test("K8, R3: a second process is refused while the first lives, and takes over after its kill -9", async () => {
    const dir = await newDir();
    const child = fork(new URL("_crash-child.ts", import.meta.url), [dir, join(dir, "acknowledged")], {
      execArgv: ["--conditions=gatewright-source", "--import", "tsx"],
    });
    await once(child, "message");
    await expect(open(dir)).rejects.toThrow(`in use by process ${child.pid}`);
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    const store = await open(dir);
    expect(store.status()).toEqual({ ok: true });
    await store.close();
  });

  test("a pid that was used again does not hold it", async () => {
    const dir = await newDir();
    const lock = await lockFolder(nodeFileSystem, dir);
    const content = JSON.parse(await readFile(join(dir, "lock"), "utf8")) as Record<string, unknown>;
    await lock.release();
    await writeFile(join(dir, "lock"), JSON.stringify({ ...content, pid: process.ppid, startTime: "1" }));
    const taken = await lockFolder(nodeFileSystem, dir);
    expect(taken.isHeld()).toBe(true);
    await taken.release();
    expect(await readdir(dir)).toEqual([]);
  });

  test("a holder that cannot be seen holds it as long as it touches it", async () => {
    const dir = await newDir();
    const path = join(dir, "lock");
    await writeFile(path, JSON.stringify({ id: "x", pid: 1, startTime: "1", place: "another machine" }));
    const touching = setInterval(() => void utimes(path, new Date(), new Date()), 5);
    await expect(lockFolder(nodeFileSystem, dir, 40)).rejects.toThrow(
      /in use by process 1 \(another machine\)/,
    );
    clearInterval(touching);
    const lock = await lockFolder(nodeFileSystem, dir, 40);
    await lock.release();
  });

  test("one that was taken by another stops all writes", async () => {
    const dir = await newDir();
    const store = await open(dir);
    await writeFile(
      join(dir, "lock"),
      JSON.stringify({ id: "x", pid: 1, startTime: "1", place: "elsewhere" }),
    );
    await waitFor("the loss to be seen", () => !store.status().ok);
    expect(() => store.run(countAll, "", ["k"], add(1))).toThrow(StateUnavailable);
    await expect(store.documents.set("doc", {})).rejects.toThrow(StateUnavailable);
    await store.close();
    expect(await readFile(join(dir, "lock"), "utf8")).toContain("elsewhere");
  });
});
