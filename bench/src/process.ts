import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Cores } from "./machine.ts";

const running = new Set<ChildProcess>();

/** A program that the benchmark runs: a process of ours until `stop`. */
export interface Program {
  readonly pid: number;
  /** Why it ended, with the last it wrote; null while it runs. */
  ended(): string | null;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Held to `cores.gateway`, if given. */
  readonly cores: Cores | null;
  /** Gets what it prints, in pieces. */
  readonly listen?: ((text: string) => void) | undefined;
}

/** Starts Node with `args`. It is killed with us, however we end. */
export function startNode({ args, env, cores, listen }: ProgramOptions): Program {
  return startProgram({ command: process.execPath, args, env, core: cores?.gateway, listen });
}

export interface AnyProgramOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Held to it, if given. */
  readonly core?: number | undefined;
  /** Gets what it prints, in pieces. */
  readonly listen?: ((text: string) => void) | undefined;
}

/** The same for any program. */
export function startProgram({ command, args, env = {}, core, listen }: AnyProgramOptions): Program {
  // taskset replaces itself by the program, so that the process id is the program's.
  const [first, ...rest] =
    core === undefined ? [command, ...args] : ["taskset", "-c", String(core), command, ...args];
  const child = spawn(first, rest, {
    env: { ...process.env, NODE_ENV: "production", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let said = "";
  const hear = (text: string) => {
    said = (said + text).slice(-2_000);
    listen?.(text);
  };
  // Read to the end: a full pipe would block the program.
  child.stdout.setEncoding("utf8").on("data", hear);
  child.stderr.setEncoding("utf8").on("data", hear);
  let failure: string | null = null;
  const closed = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      failure = error.message;
      running.delete(child);
      resolve();
    });
    child.once("close", (code, signal) => {
      failure ??= `ended with ${signal ?? `code ${code}`}: ${said.trim()}`;
      running.delete(child);
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    ended: () => failure,
    // Nothing here is worth a graceful end, and a drain would cost seconds at every start.
    async stop() {
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** Ends every program at once, by its process id. */
export function killPrograms(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Whatever ends this process ends what it started. */
export function killProgramsOnExit(): void {
  process.once("exit", killPrograms);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(130));
}

/** A loopback port that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
