import { join } from "node:path";
import { createStorage } from "unstorage";
import type { Logger } from "../../log.ts";
import { neverBack } from "../clock.ts";
import type { Clock } from "../clock.ts";
import { Documents } from "../documents.ts";
import { AtomicTable } from "../memory/atomic-table.ts";
import { sweepRegularly } from "../memory/expiring-map.ts";
import { DEFAULT_MAX_KEYS } from "../memory/memory-store.ts";
import { StateUnavailable } from "../state.ts";
import type { Store } from "../store.ts";
import { makeFolder, nodeFileSystem } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";
import { openFsSafe } from "./fs-safe.ts";
import { Journal } from "./journal.ts";
import { lockFolder } from "./lock.ts";

export interface FileStoreOptions {
  dir: string;
  /** An op that is not `durable` is on disk after at most this. @default 100 */
  flushMs?: number;
  clock: Clock;
  log?: Logger;
  fs?: FileSystem;
  segmentBytes?: number;
}

/** A clock further ahead than this at the last stop was wrong: to wait for it would stop time for as long. */
const MAX_LEAD_US = 3_600_000_000;

/**
 * Documents as crash-safe files, atomic records in memory with a journal behind them. Throws `StateUnavailable` when
 * another process holds the folder, or when what is there is damaged.
 */
export async function openFileStore(options: FileStoreOptions): Promise<Store> {
  const { dir, flushMs = 100, log, fs = nodeFileSystem, segmentBytes } = options;
  await available(dir, () => makeFolder(fs, dir));
  const lock = await available(dir, () => lockFolder(fs, dir));

  let clock = options.clock;
  const table = new AtomicTable(
    DEFAULT_MAX_KEYS,
    () => clock(),
    (key) => journal.mark(key),
  );
  const journal = new Journal({
    dir: join(dir, "records"),
    fs,
    records: table.records,
    clock: () => clock(),
    flushMs,
    segmentBytes,
    log,
  });
  let closed = false;
  const failure = () => (closed || !lock.isHeld() ? notHeld(dir) : journal.failure);
  const checkLock = () => {
    if (!lock.isHeld()) throw notHeld(dir);
  };

  let documents: Documents;
  try {
    await available(dir, () => journal.open());
    if (journal.lastUs - clock() < MAX_LEAD_US) clock = neverBack(clock, journal.lastUs);
    const folder = { dir: join(dir, "documents"), fs, clock, checkLock, log };
    documents = new Documents(createStorage({ driver: await available(dir, () => openFsSafe(folder)) }));
  } catch (error) {
    await journal.close();
    await lock.release();
    throw error;
  }

  const timer = sweepRegularly(table.records, clock);
  return {
    driver: "file",
    shared: false,
    documents,
    run(op, prefix, keys, args) {
      const failed = failure();
      if (failed) throw failed;
      const result = table.run(op, prefix, keys, args);
      return op.durable ? journal.committed().then(() => result) : result;
    },
    status() {
      const failed = failure();
      return failed ? { ok: false, reason: failed.message } : { ok: true };
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      try {
        await documents.close();
        await journal.close();
      } finally {
        await lock.release();
      }
    },
  };
}

function notHeld(dir: string): StateUnavailable {
  return new StateUnavailable(`The state folder ${dir} is closed, or another process has taken it over`);
}

const ADVICE = "Set `state.dir` to a folder that this process may write.";

async function available<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StateUnavailable) throw cause;
    throw new StateUnavailable(
      `The state folder ${dir} cannot be used: ${(cause as Error).message}. ${ADVICE}`,
      { cause },
    );
  }
}
