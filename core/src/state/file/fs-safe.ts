import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Driver } from "unstorage";
import type { Logger } from "../../log.ts";
import type { Clock } from "../clock.ts";
import { StateUnavailable } from "../state.ts";
import { makeFolder, readWhole, removeFile, safeWrite, syncFolder, TEMP_SUFFIX } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";

export interface FsSafeOptions {
  dir: string;
  fs: FileSystem;
  clock: Clock;
  /** Throws when this process may not write (any more). */
  checkLock: () => void;
  log?: Logger;
}

/** First line of a document's file, as JSON; the text follows. */
interface Header {
  v: 1;
  key: string;
  /** Microseconds since the epoch. */
  expiresAtUs: number | null;
  /** Of the text, in bytes. */
  length: number;
  sha256: string;
}

interface StoredDocument extends Header {
  text: string;
}

const MAIN = ".json";
const BACKUP = ".json.bak";
const SWEEP_MS = 60_000;

/**
 * An unstorage driver whose items survive a crash: a `setItem` that has resolved is on disk, one that has not left
 * the old item or the new one, whole. One file an item, mode 0600, the item before it beside it as `.bak`, which is
 * read when the file fails its checksum. Errors are thrown, never returned as values. One process only (see
 * `lock.ts`). `ttl` in seconds. Opening clears what a crash left behind.
 */
export async function openFsSafe({ dir, fs, clock, checkLock, log }: FsSafeOptions): Promise<Driver> {
  /** Expiry of every document on disk, by key: listing and sweeping need no disk. */
  const expiries = new Map<string, number>();
  const queue = createKeyedQueue();

  const pathOf = (key: string, suffix = MAIN) => join(dir, `${fileName(key)}${suffix}`);
  const isAlive = (key: string) => (expiries.get(key) ?? 0) > clock();

  async function setItem(key: string, text: string, { ttl }: { ttl?: number } = {}): Promise<void> {
    const expiresAtUs = ttl === undefined ? null : Math.ceil(clock() + ttl * 1_000_000);
    const content = encodeDocument(key, text, expiresAtUs);
    await queue(key, async () => {
      checkLock();
      await safeWrite(fs, pathOf(key), () => [content], pathOf(key, BACKUP));
      expiries.set(key, expiresAtUs ?? Infinity);
    });
  }

  async function remove(key: string): Promise<void> {
    checkLock();
    // The copy first: a crash between the two must not leave an older document to be read.
    const backup = await removeFile(fs, pathOf(key, BACKUP));
    const main = await removeFile(fs, pathOf(key));
    if (backup || main) await syncFolder(fs, dir);
    expiries.delete(key);
  }

  async function read(key: string): Promise<string | null> {
    const document = await readDocument(fs, pathOf(key), log);
    if (document === undefined) return null;
    if (document.key !== key) throw damaged(pathOf(key));
    return (document.expiresAtUs ?? Infinity) > clock() ? document.text : null;
  }

  async function sweep(): Promise<void> {
    for (const key of [...expiries.keys()].filter((key) => !isAlive(key))) {
      await queue(key, async () => {
        if (!isAlive(key)) await remove(key);
      });
    }
  }

  async function scan(): Promise<void> {
    const names = new Set(await fs.readdir(dir));
    for (const name of names) {
      const orphan = name.endsWith(BACKUP) && !names.has(name.slice(0, -".bak".length));
      if (name.endsWith(TEMP_SUFFIX) || orphan) await removeFile(fs, join(dir, name));
      if (!name.endsWith(MAIN)) continue;
      try {
        const document = await readDocument(fs, join(dir, name), log);
        if (document) expiries.set(document.key, document.expiresAtUs ?? Infinity);
      } catch (error) {
        // One lost document is that document's failure, at each read of it, and not everybody's.
        log?.error("A document of file state is damaged", { file: name, error: (error as Error).message });
      }
    }
  }

  await makeFolder(fs, dir);
  await scan();
  await sweep();
  const sweeper = setInterval(() => {
    sweep().catch((error: Error) => log?.warn("Expired documents stay on disk", { error: error.message }));
  }, SWEEP_MS).unref();

  return {
    name: "gatewright-fs-safe",
    hasItem: async (key) => (await read(key)) !== null,
    getItem: read,
    setItem,
    removeItem: (key) => queue(key, () => remove(key)),
    getKeys: () => [...expiries.keys()].filter(isAlive),
    async dispose() {
      clearInterval(sweeper);
      await queue.idle();
    },
  };
}

/** Readable, and different for different keys on every file system, however it folds case and cuts names. */
function fileName(key: string): string {
  const readable = key
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 40);
  return `${readable}.${createHash("sha256").update(key).digest("hex").slice(0, 32)}`;
}

function encodeDocument(key: string, text: string, expiresAtUs: number | null): Buffer {
  const body = Buffer.from(text);
  const header: Header = { v: 1, key, expiresAtUs, length: body.length, sha256: digest(body) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
}

/** The document, or its `.bak` when the file is damaged; undefined when there is none. */
async function readDocument(fs: FileSystem, path: string, log?: Logger): Promise<StoredDocument | undefined> {
  const bytes = await readWhole(fs, path);
  if (bytes === undefined) return undefined;
  const document = decodeDocument(bytes);
  if (document) return document;
  const previous = await readWhole(fs, `${path}.bak`);
  const older = previous && decodeDocument(previous);
  if (!older) throw damaged(path);
  log?.error("A document of file state is damaged; the one before it is used", { key: older.key });
  return older;
}

function decodeDocument(bytes: Buffer): StoredDocument | undefined {
  const end = bytes.indexOf("\n");
  if (end < 0) return undefined;
  const body = bytes.subarray(end + 1);
  try {
    const header = JSON.parse(bytes.toString("utf8", 0, end)) as Header;
    const whole = header.v === 1 && header.length === body.length && header.sha256 === digest(body);
    return whole ? { ...header, text: body.toString() } : undefined;
  } catch {
    // A header that is no JSON: damaged, which the caller tells apart from absent.
    return undefined;
  }
}

function digest(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

function damaged(path: string): StateUnavailable {
  return new StateUnavailable(`The document in ${path} is damaged: restore the file or remove it`);
}

interface KeyedQueue {
  /** Runs the work after all earlier work of the same key, failed or not. */
  <T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Settles when all work given so far has. */
  idle(): Promise<void>;
}

function createKeyedQueue(): KeyedQueue {
  const tails = new Map<string, Promise<unknown>>();
  function queue<T>(key: string, work: () => Promise<T>): Promise<T> {
    const run = (tails.get(key) ?? Promise.resolve()).then(work, work);
    tails.set(key, run);
    const forget = () => {
      if (tails.get(key) === run) tails.delete(key);
    };
    run.then(forget, forget);
    return run;
  }
  return Object.assign(queue, {
    async idle() {
      await Promise.allSettled(tails.values());
    },
  });
}
