import { execFile } from "node:child_process";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));
export const TSX: string = new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;

/** The program from source, as the arguments of Node. */
export const FROM_SOURCE: readonly string[] = [
  "--import",
  TSX,
  "--input-type=module",
  "-e",
  `const { main } = await import(${JSON.stringify(new URL("../../create-gateway/src/main.ts", import.meta.url).href)});
  process.exit(await main(process.argv.slice(1)));`,
  "--",
];

export interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** What a test's process has of the environment: nothing that changes what is made. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }), NO_COLOR: "1", ...more };
}

/** Runs Node without a terminal and waits for its end. */
export function runNode(
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { cwd, env: cleanEnvironment(environment), maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
    child.stdin!.end();
  });
}

/** `create-gateway <args>`, from source. */
export function createGateway(
  cwd: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return runNode([...FROM_SOURCE, ...args], cwd, environment);
}

/** A folder by its real path; whoever asks for it removes it. */
export async function makeFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), "create-gateway-")));
}

/** A folder, removed when the test is over. */
export async function createFolder(): Promise<string> {
  const dir = await makeFolder();
  onTestFinished(() => removeFolder(dir));
  return dir;
}

export function removeFolder(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true });
}
