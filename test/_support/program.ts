import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { waitFor } from "./wait-for.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TSX = new URL("../../node_modules/tsx/dist/loader.mjs", import.meta.url).href;

/** The `gatewright` program in a process of its own, run from source. */
export interface Program {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it printed so far, both streams. */
  output(): string;
  /** Settles with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts `gatewright <command> --config …` and waits until it answers. `stdout` may be an open file in place of a pipe. */
export async function startProgram(
  command: "start" | "dev",
  configFile: string,
  args: readonly string[] = [],
  stdout: "pipe" | number = "pipe",
): Promise<Program> {
  const port = await freePort();
  // A file, not -e: the primary of several workers starts them from the same file.
  const child = spawn(
    process.execPath,
    [
      "--conditions=gatewright-source",
      "--import",
      TSX,
      fileURLToPath(new URL("program-main.ts", import.meta.url)),
      command,
      "--config",
      configFile,
      "--port",
      String(port),
      "--host",
      "127.0.0.1",
      ...args,
    ],
    { cwd: ROOT, env: { ...process.env, NO_COLOR: "1" }, stdio: ["ignore", stdout, "pipe"] },
  );
  let output = "";
  child.stdout?.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (output += data.toString()));
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on("exit", (code, signal) => resolve(code ?? signal!));
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(
    `the program answers on ${url}`,
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${output}`);
      return fetch(`${url}/livez`).then(
        (reply) => reply.ok,
        () => false,
      );
    },
    30_000,
  );
  return { url, child, output: () => output, exited, kill: (signal) => child.kill(signal) };
}
