import { execFile } from "node:child_process";
import { mkdir, open, readFile, rm, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { waitFor } from "./wait-for.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The interpreter that has the SDKs, or the empty text where the machine has no Python. */
    compatPython: string;
  }
}

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "test/compat");
const venv = join(folder, ".venv");
const python = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
const lock = join(root, "node_modules/.cache/gatewright-compat.lock");

const INSTALL_DEADLINE_MS = 600_000;

/** Global setup of the compatibility tests: installs the SDKs that they drive, where they are absent or others. */
export default async function installCompat(project: TestProject): Promise<void> {
  const release = await takeLock();
  try {
    await installOnce(
      join(folder, "package-lock.json"),
      join(folder, "node_modules/.installed"),
      async () => {
        const flags = ["--ignore-scripts", "--no-audit", "--no-fund"];
        await run("npm", ["ci", ...flags], { cwd: folder, shell: process.platform === "win32" });
      },
    );
    const hasPython = await canMakeVenv();
    if (hasPython)
      await installOnce(join(folder, "python/requirements.txt"), join(venv, ".installed"), installPython);
    project.provide("compatPython", hasPython ? python : "");
  } finally {
    await release();
  }
}

/** `stamp` is a copy of the list that was installed, written last: an install that was broken off has none. */
async function installOnce(list: string, stamp: string, install: () => Promise<void>): Promise<void> {
  const wanted = await readFile(list, "utf8");
  if (wanted === (await readIfThere(stamp))) return;
  const startedAt = performance.now();
  await install();
  await writeFile(stamp, wanted);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`compat: installed ${list.slice(root.length)} in ${seconds} s`);
}

async function installPython(): Promise<void> {
  await run("python3", ["-m", "venv", "--clear", venv]);
  const flags = ["--quiet", "--disable-pip-version-check", "--no-input"];
  await run(python, ["-m", "pip", "install", ...flags, "-r", join(folder, "python/requirements.txt")]);
}

/** Some systems ship Python without these two, which is Python not being there. */
async function canMakeVenv(): Promise<boolean> {
  return run("python3", ["-c", "import venv, ensurepip"]).then(
    () => true,
    () => false,
  );
}

/** Two test runs at once: the second waits for the first. A lock whose process is gone is taken over. */
async function takeLock(): Promise<() => Promise<void>> {
  await mkdir(dirname(lock), { recursive: true });
  const file = await waitFor(
    "the compatibility SDKs installed by another test run",
    tryLock,
    INSTALL_DEADLINE_MS,
  );
  await file.writeFile(String(process.pid));
  await file.close();
  return () => rm(lock);
}

async function tryLock(): Promise<FileHandle | undefined> {
  try {
    return await open(lock, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const owner = Number((await readIfThere(lock)) ?? "");
  // Without a number it is not written yet, or was just released.
  if (owner && !isAlive(owner)) await rm(lock, { force: true });
  return undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
