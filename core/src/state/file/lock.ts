import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StateUnavailable } from "../state.ts";
import { errorCode, isAbsent, OWNER_ONLY, readWhole, removeFile } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";

/** Who holds the folder. `id` tells two holds of one process apart. */
interface Holder {
  id: string;
  pid: number;
  /** Ticks after boot at which the process started, since pids are used again; null where there is no /proc. */
  startTime: string | null;
  /** Where the pid means something: boot and pid namespace on Linux, else the host. */
  place: string;
}

export interface FolderLock {
  /** False once the file was taken by another: nothing may be written any more. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** How often the holder touches the file, for those who cannot see its pid. */
const BEAT_MS = 1_000;
/** A holder out of sight that has not touched the file for so many beats is gone. */
const SILENT_BEATS = 5;
/** A take-over lasts milliseconds: a mark this old was left by a crash. */
const TAKEOVER_MS = 30_000;

/**
 * Holds a folder for this process, or throws `StateUnavailable` naming the holder. The lock of a dead process is
 * taken over: at once where its pid can be judged, after five seconds without a touch where not (another container or
 * machine on a shared volume, another boot, systems without /proc).
 */
export async function lockFolder(fs: FileSystem, dir: string, beatMs = BEAT_MS): Promise<FolderLock> {
  const path = join(dir, "lock");
  const self = await describeSelf(fs);
  const mine = JSON.stringify(self);
  // Written aside and linked into place, so that nobody ever reads a lock half written.
  const draft = `${path}.${self.id}`;
  const handle = await fs.open(draft, "wx", OWNER_ONLY);
  try {
    await handle.writeFile(mine);
  } finally {
    await handle.close();
  }
  try {
    if (!(await tryLink(fs, draft, path))) await takeOver({ fs, dir, path, draft, self, beatMs });
  } finally {
    await removeFile(fs, draft);
  }

  let held = true;
  const heart = setInterval(() => {
    beat(fs, path, mine).then(
      (ours) => {
        held &&= ours;
      },
      // A disk that cannot be read or touched says nothing about who holds it; writes will tell.
      () => {},
    );
  }, beatMs).unref();
  return {
    isHeld: () => held,
    async release() {
      clearInterval(heart);
      held = false;
      if ((await readWhole(fs, path))?.toString() === mine) await removeFile(fs, path);
    },
  };
}

async function tryLink(fs: FileSystem, draft: string, path: string): Promise<boolean> {
  try {
    await fs.link(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

interface TakeOver {
  fs: FileSystem;
  dir: string;
  path: string;
  draft: string;
  self: Holder;
  beatMs: number;
}

/** Replaces the lock of a holder that is gone. A mark made exclusively keeps two from doing so at once. */
async function takeOver(attempt: TakeOver): Promise<void> {
  const { fs, dir, path, draft } = attempt;
  const before = await readWhole(fs, path);
  if (before !== undefined && (await isAlive(attempt, before))) throw inUse(dir, before);
  const mark = `${path}.takeover`;
  try {
    await (await fs.open(mark, "wx", OWNER_ONLY)).close();
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    const { mtimeMs } = await fs.stat(mark);
    if (Date.now() - mtimeMs > TAKEOVER_MS) await removeFile(fs, mark);
    throw new StateUnavailable(
      `The state folder ${dir} is being taken over by another process: start again`,
      {
        cause: error,
      },
    );
  }
  try {
    const now = await readWhole(fs, path);
    if (now !== undefined && !(before !== undefined && now.equals(before))) throw inUse(dir, now);
    await fs.rename(draft, path);
  } finally {
    await removeFile(fs, mark);
  }
}

async function isAlive({ fs, path, self, beatMs }: TakeOver, content: Buffer): Promise<boolean> {
  const holder = parseHolder(content);
  if (holder?.place === self.place) {
    const startTime = await startTimeOf(fs, holder.pid);
    if (holder.startTime !== null) return startTime === holder.startTime;
    if (!pidExists(holder.pid)) return false;
  }
  return wasTouched(fs, path, beatMs);
}

async function wasTouched(fs: FileSystem, path: string, beatMs: number): Promise<boolean> {
  try {
    // Only differences are looked at: the holder's clock may be another one.
    const { mtimeMs } = await fs.stat(path);
    for (let beat = 0; beat < SILENT_BEATS; beat++) {
      await sleep(beatMs);
      if ((await fs.stat(path)).mtimeMs !== mtimeMs) return true;
    }
    return false;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Touches the lock if it is still ours. */
async function beat(fs: FileSystem, path: string, mine: string): Promise<boolean> {
  const content = await readWhole(fs, path);
  if (content?.toString() !== mine) return false;
  const now = new Date();
  await fs.utimes(path, now, now);
  return true;
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

async function describeSelf(fs: FileSystem): Promise<Holder> {
  const { pid } = process;
  return {
    id: randomBytes(8).toString("hex"),
    pid,
    startTime: await startTimeOf(fs, pid),
    place: await describePlace(fs),
  };
}

/** Field 22 of /proc/<pid>/stat (proc_pid_stat(5)); null for a process that is gone or a zombie, or without /proc. */
async function startTimeOf(fs: FileSystem, pid: number): Promise<string | null> {
  const stat = await readProc(fs, `/proc/${pid}/stat`);
  // The second field is the command in parentheses, which may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return null;
  return fields[19] ?? null;
}

async function describePlace(fs: FileSystem): Promise<string> {
  const bootId = await readProc(fs, "/proc/sys/kernel/random/boot_id");
  if (bootId === undefined) return hostname();
  // The inode of the namespace is its identity within one boot.
  const { ino } = await fs.stat("/proc/self/ns/pid");
  return `${bootId.trim()}/${ino}`;
}

async function readProc(fs: FileSystem, path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, "utf8");
  } catch {
    // Absent, gone while being read (ESRCH) or hidden: not known, in all cases.
    return undefined;
  }
}

function parseHolder(content: Buffer): Holder | undefined {
  try {
    return JSON.parse(content.toString()) as Holder;
  } catch {
    // Not written by this code: judged by whether somebody touches it.
    return undefined;
  }
}

function inUse(dir: string, content: Buffer): StateUnavailable {
  const holder = parseHolder(content);
  const who = holder ? `process ${holder.pid} (${holder.place})` : "another process";
  return new StateUnavailable(
    `The state folder ${dir} is in use by ${who}: file state takes one process; stop it, use another folder, or use Redis`,
  );
}
