import * as nodeFs from "node:fs/promises";
import { dirname } from "node:path";
import { randomBytes } from "node:crypto";

/** The calls that file state makes, so that a test can put faults between. */
export type FileSystem = Pick<
  typeof nodeFs,
  | "copyFile"
  | "link"
  | "mkdir"
  | "open"
  | "readFile"
  | "readdir"
  | "rename"
  | "stat"
  | "truncate"
  | "unlink"
  | "utimes"
>;

export const nodeFileSystem: FileSystem = nodeFs;

export const OWNER_ONLY = 0o600;
export const TEMP_SUFFIX = ".tmp";

/**
 * A folder for the owner alone, with those above it, unless it is there. Not Node's `recursive`: that takes ENOENT for a
 * missing parent and tries for ever where it means that the parent takes none, as it does for `/proc`.
 */
export async function makeFolder(fs: FileSystem, dir: string): Promise<void> {
  try {
    await fs.mkdir(dir, 0o700);
  } catch (error) {
    // Systems differ in what they say first of a folder that is there, and cannot be written.
    if (await isFolder(fs, dir)) return;
    const parent = dirname(dir);
    if (!isAbsent(error) || parent === dir || (await isFolder(fs, parent))) throw error;
    await makeFolder(fs, parent);
    await makeFolder(fs, dir);
  }
}

async function isFolder(fs: FileSystem, path: string): Promise<boolean> {
  return fs.stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Puts a whole file in place of the old one, so that a crash at any moment leaves one of the two: temp file in the
 * same folder, write, fsync, rename, fsync of the folder. `backup` keeps the old file under that name.
 *
 * After an error everything is done once more from memory, never just the fsync: a failed fsync may have dropped the
 * pages and marked them clean, so that the next one succeeds with nothing on disk. A second error is thrown; the old
 * file or the new one is then in place.
 */
export async function safeWrite(
  fs: FileSystem,
  path: string,
  content: () => Chunks,
  backup?: string,
): Promise<void> {
  try {
    await replaceFile(fs, path, content, backup);
  } catch {
    await replaceFile(fs, path, content, backup);
  }
}

async function replaceFile(
  fs: FileSystem,
  path: string,
  content: () => Chunks,
  backup?: string,
): Promise<void> {
  const temp = `${path}.${randomBytes(8).toString("hex")}${TEMP_SUFFIX}`;
  try {
    const handle = await fs.open(temp, "wx", OWNER_ONLY);
    try {
      for await (const chunk of content()) await handle.appendFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (backup !== undefined) await keepPrevious(fs, path, backup);
    await fs.rename(temp, path);
  } catch (error) {
    await removeFile(fs, temp);
    throw error;
  }
  await syncFolder(fs, dirname(path));
}

/** A second name for the old file, so that there is no moment without one under its own. */
async function keepPrevious(fs: FileSystem, path: string, backup: string): Promise<void> {
  await removeFile(fs, backup);
  try {
    await fs.link(path, backup);
  } catch (error) {
    if (isAbsent(error)) return;
    // File systems without hard links (FAT, some network shares).
    await fs.copyFile(path, backup);
  }
}

/** Makes names created, renamed or removed in the folder survive a power cut. */
export async function syncFolder(fs: FileSystem, folder: string): Promise<void> {
  // Windows has no fsync of folders: NTFS journals its names itself.
  if (process.platform === "win32") return;
  const handle = await fs.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** True if there was one. */
export async function removeFile(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.unlink(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** The bytes, or undefined when there is no such file. Every other error is thrown. */
export async function readWhole(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export function isAbsent(error: unknown): boolean {
  return errorCode(error) === "ENOENT";
}

export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
