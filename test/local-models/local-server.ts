import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { waitFor } from "../_support/wait-for.ts";

/** A model server that runs on this machine, started by this run. */
export interface LocalServer extends AsyncDisposable {
  readonly url: string;
}

/** Where `PATH` has the program; undefined when nowhere. */
export function findProgram(name: string, path: string | undefined): string | undefined {
  const files = (path ?? "").split(delimiter).map((folder) => join(folder, name));
  return files.find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

interface Start {
  /** Path of the program, and what it is told. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** Path that answers when the server can be asked; 503 while a model loads. */
  readonly ready: string;
}

/** Loading a large model from a slow disk. */
const READY_WITHIN_MS = 600_000;
const STOP_WITHIN_MS = 10_000;
const KEPT_CHARACTERS = 4_000;

/** Starts a server and waits until it can be asked. @throws with the end of what it printed when it ends before that. */
export async function startServer({ command, port, env, ready }: Start): Promise<LocalServer> {
  const [program, ...args] = command;
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  const keep = (data: Buffer) => void (printed = (printed + data.toString()).slice(-KEPT_CHARACTERS));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  let failed: Error | undefined;
  child.on("error", (error) => (failed = error));
  const isOver = () => failed !== undefined || child.exitCode !== null || child.signalCode !== null;
  const stop = async () => {
    if (isOver()) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
    await exited;
    clearTimeout(timer);
  };

  const url = `http://127.0.0.1:${port}`;
  try {
    await waitFor(
      `${program} answers on ${url}`,
      async () => {
        if (isOver()) throw new Error(`${program} ended: ${failed?.message ?? printed}`);
        return fetch(url + ready).then(
          ({ status }) => status !== 503,
          () => false,
        );
      },
      READY_WITHIN_MS,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
}
