import { execFile } from "node:child_process";
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
