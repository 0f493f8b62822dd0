import { execFile, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const TSX = new URL("../../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;
const MAIN = fileURLToPath(new URL("../../_support/program-main.ts", import.meta.url));

export interface ProgramRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the program to its end, from a file: the primary of several workers starts them from the same. */
export function runProgram(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProgramRun> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--conditions=gatewright-source", "--import", TSX, MAIN, ...args],
      { cwd, env: { ...process.env, NO_COLOR: "1", ...env } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

export interface RunningProgram {
  /** What it printed so far, both streams. */
  output(): string;
  /** Settles with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

/** The same, while it runs; `main` is the file that runs it. */
export function spawnProgram(cwd: string, args: readonly string[], main: string = MAIN): RunningProgram {
  const child = spawn(process.execPath, ["--conditions=gatewright-source", "--import", TSX, main, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on("close", (code, signal) => resolve(code ?? signal!));
  });
  return { output: () => output, exited, kill: (signal) => child.kill(signal) };
}
