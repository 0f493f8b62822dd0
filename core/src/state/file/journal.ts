import { join } from "node:path";
import type { FileHandle } from "node:fs/promises";
import type { Logger } from "../../log.ts";
import type { Clock } from "../clock.ts";
import type { ExpiringMap } from "../memory/expiring-map.ts";
import type { AtomicRecord } from "../state.ts";
import { StateUnavailable } from "../state.ts";
import {
  makeFolder,
  OWNER_ONLY,
  readWhole,
  removeFile,
  safeWrite,
  syncFolder,
  TEMP_SUFFIX,
} from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";
import { encodeRecord, readRecords } from "./records.ts";

export interface JournalOptions {
  dir: string;
  fs: FileSystem;
  /** The records to restore at start and to read from at each flush. */
  records: ExpiringMap<AtomicRecord>;
  clock: Clock;
  flushMs: number;
  /** A segment longer than this (or than the last snapshot) is rotated, and a snapshot made. */
  segmentBytes?: number;
  log?: Logger;
}

/**
 * A group of changes, one record of a segment, so that a crash keeps all of it or nothing: each changed key with its
 * state after the change, or alone when removed. States, not deltas: reading a group twice does no harm.
 */
interface Group {
  /** Of the store's clock, in microseconds. */
  t: number;
  e: [key: string, expiresAtUs?: number, state?: AtomicRecord][];
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
const SNAPSHOT_SLICE = 1_000;
/** Time between two tries while the disk fails. */
const RETRY_MS = 1_000;

/**
 * Keeps atomic records on disk: segments `<n>.log` of groups, and `<n>.snapshot`, which holds all that the segments
 * below n did. Changes gather in memory and leave as one group with one fsync: at once when somebody waits for it,
 * else within `flushMs`.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #segmentBytes: number;
  /** Of the store's clock, the latest on disk at start. */
  lastUs = 0;
  #changed = new Set<string>();
  #waiters: { resolve: () => void; reject: (error: StateUnavailable) => void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  #number = 0;
  /** Undefined after a failure: what follows goes into a new segment. */
  #segment: { handle: FileHandle; bytes: number } | undefined;
  #snapshotBytes = 0;
  #failure: StateUnavailable | undefined;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
  }

  /** Set while the last write failed and none has succeeded since. */
  get failure(): StateUnavailable | undefined {
    return this.#failure;
  }

  /** Restores the records: the newest snapshot, then the segments from its number on. */
  async open(): Promise<void> {
    const { fs, dir } = this.#options;
    await makeFolder(fs, dir);
    const names = await fs.readdir(dir);
    for (const name of names.filter((name) => name.endsWith(TEMP_SUFFIX)))
      await removeFile(fs, join(dir, name));
    const base = Math.max(0, ...numbersOf(names, ".snapshot"));
    const logs = numbersOf(names, ".log").filter((number) => number >= base);
    if (base > 0) await this.#restore(`${base}.snapshot`);
    for (const number of logs) await this.#restore(`${number}.log`);
    this.#number = Math.max(base, ...logs);
    if (logs.length > 0) this.#compact();
  }

  /** Takes note of a changed key. */
  mark(key: string): void {
    this.#changed.add(key);
    if (this.#running === undefined) this.#timer ??= setTimeout(() => this.#flush(), this.#options.flushMs);
  }

  /** Resolves when all changes marked so far are on disk. */
  committed(): Promise<void> {
    if (this.#closed) return Promise.reject(new StateUnavailable("File state is closed"));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#flush();
    });
  }

  async close(): Promise<void> {
    try {
      await this.committed();
      await this.#compacting;
    } finally {
      this.#closed = true;
      clearTimeout(this.#timer);
      await this.#segment?.handle.close();
    }
  }

  async #restore(name: string): Promise<void> {
    const { fs, dir, log } = this.#options;
    const path = join(dir, name);
    const segment = await readWhole(fs, path);
    if (segment === undefined) return;
    const { end, tail } = readRecords(segment, (payload) => this.#apply(JSON.parse(payload) as Group));
    if (name.endsWith(".snapshot")) this.#snapshotBytes = segment.length;
    if (tail === "none") return;
    // A snapshot gets its name only when it is whole, and a crash harms only what was written last.
    if (tail === "damaged" || name.endsWith(".snapshot")) {
      throw new StateUnavailable(
        `${path} is damaged at byte ${end}: restore the folder, or remove it to start empty`,
      );
    }
    log?.warn("A write that a crash cut short was removed from file state", {
      file: name,
      bytes: segment.length - end,
    });
    await fs.truncate(path, end);
  }

  #apply({ t, e }: Group): void {
    const { records, clock } = this.#options;
    const nowUs = clock();
    this.lastUs = Math.max(this.lastUs, t);
    for (const [key, expiresAtUs = 0, state] of e) {
      if (state !== undefined && expiresAtUs > nowUs) records.set(key, state, expiresAtUs, nowUs);
      else records.delete(key);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#writeGroups().finally(() => {
      this.#running = undefined;
      if (this.#waiters.length > 0) this.#flush();
      else if (this.#changed.size > 0 && !this.#closed)
        this.#timer = setTimeout(() => this.#flush(), this.#pauseMs());
    });
  }

  #pauseMs(): number {
    return this.#failure ? Math.max(RETRY_MS, this.#options.flushMs) : this.#options.flushMs;
  }

  /** Writes groups until nobody waits. Never rejects. */
  async #writeGroups(): Promise<void> {
    do {
      // All changes of this turn of the event loop share one group.
      await new Promise(setImmediate);
      const changed = this.#changed;
      const waiters = this.#waiters;
      this.#changed = new Set();
      this.#waiters = [];
      try {
        if (changed.size > 0) await this.#append(encodeRecord(JSON.stringify(this.#groupOf(changed))));
        this.#recovered();
        for (const { resolve } of waiters) resolve();
      } catch (error) {
        for (const key of changed) this.#changed.add(key);
        const failure = this.#failed(error as Error);
        for (const { reject } of waiters) reject(failure);
      }
    } while (this.#waiters.length > 0);
  }

  #groupOf(keys: Iterable<string>): Group {
    const { records, clock } = this.#options;
    const t = clock();
    const e: Group["e"] = [];
    for (const key of keys) {
      const entry = records.peek(key, t);
      e.push(entry ? [key, entry.expiresAtUs, entry.value] : [key]);
    }
    return { t, e };
  }

  /**
   * After an error the group is written once more, whole and into a new segment: a failed fsync may have dropped the
   * pages of the old one and called them clean, so another fsync there would prove nothing.
   */
  async #append(record: Buffer): Promise<void> {
    try {
      await this.#writeRecord(record);
    } catch {
      await this.#abandonSegment();
      try {
        await this.#writeRecord(record);
      } catch (error) {
        await this.#abandonSegment();
        throw error;
      }
    }
    if (this.#segment!.bytes > Math.max(this.#segmentBytes, this.#snapshotBytes) && !this.#compacting) {
      await this.#abandonSegment();
      this.#compact();
    }
  }

  async #writeRecord(record: Buffer): Promise<void> {
    if (this.#segment === undefined) await this.#rotate();
    const segment = this.#segment!;
    await segment.handle.appendFile(record);
    await segment.handle.datasync();
    segment.bytes += record.length;
  }

  /** Goes on in a new segment, whose name is on disk before anything in it is acknowledged. */
  async #rotate(): Promise<void> {
    const { fs, dir } = this.#options;
    this.#number += 1;
    const handle = await fs.open(join(dir, `${this.#number}.log`), "ax", OWNER_ONLY);
    this.#segment = { handle, bytes: 0 };
    await syncFolder(fs, dir);
  }

  async #abandonSegment(): Promise<void> {
    const segment = this.#segment;
    this.#segment = undefined;
    // All that was acknowledged has had its own fsync: an error of close changes nothing.
    await segment?.handle.close().catch(() => {});
  }

  /**
   * Makes a snapshot in the background of all that is in the segments so far, and removes them. Called when no segment
   * is open, so that whatever is written from here on is in a later one.
   */
  #compact(): void {
    const { log } = this.#options;
    this.#compacting = this.#writeSnapshot(this.#number + 1)
      .catch((error: Error) => log?.warn("A snapshot of file state failed", { error: error.message }))
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  async #writeSnapshot(number: number): Promise<void> {
    const { fs, dir } = this.#options;
    let bytes = 0;
    const slices = async function* (this: Journal) {
      bytes = 0;
      for (const slice of this.#slices()) {
        bytes += slice.length;
        yield slice;
      }
      // The slices were taken at different moments. What changed since the first is in segments from `number` on, and
      // read after the snapshot; once that is on disk, the two together are one consistent state.
      await this.committed();
    }.bind(this);
    await safeWrite(fs, join(dir, `${number}.snapshot`), slices);
    this.#snapshotBytes = bytes;
    const names = await fs.readdir(dir);
    const older = [".snapshot", ".log"].flatMap((suffix) =>
      numbersOf(names, suffix)
        .filter((other) => other < number)
        .map((other) => `${other}${suffix}`),
    );
    for (const name of older) await removeFile(fs, join(dir, name));
  }

  *#slices(): Generator<Buffer> {
    const { records, clock } = this.#options;
    let e: Group["e"] = [];
    for (const [key, { expiresAtUs, value }] of records.entries()) {
      if (expiresAtUs > clock()) e.push([key, expiresAtUs, value]);
      if (e.length < SNAPSHOT_SLICE) continue;
      yield encodeRecord(JSON.stringify({ t: clock(), e } satisfies Group));
      e = [];
    }
    yield encodeRecord(JSON.stringify({ t: clock(), e } satisfies Group));
  }

  #failed(cause: Error): StateUnavailable {
    const failure = new StateUnavailable(`File state cannot be written: ${cause.message}`, { cause });
    if (!this.#failure) this.#options.log?.error(failure.message);
    this.#failure = failure;
    return failure;
  }

  #recovered(): void {
    if (!this.#failure) return;
    this.#failure = undefined;
    this.#options.log?.info("File state is written again");
  }
}

function numbersOf(names: readonly string[], suffix: string): number[] {
  return names
    .filter((name) => name.endsWith(suffix))
    .map((name) => Number(name.slice(0, -suffix.length)))
    .filter((number) => Number.isInteger(number))
    .sort((a, b) => a - b);
}
