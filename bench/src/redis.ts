import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import type { Cores } from "./machine.ts";
import { freePort, startProgram } from "./process.ts";

/** A redis-server of the benchmark's own, without persistence. */
export interface Redis {
  readonly url: string;
  stop(): Promise<void>;
}

/** Why there can be none; null when there can. */
export function missingRedis(): string | null {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return null;
  } catch {
    return "redis-server is not installed";
  }
}

const START_LIMIT_MS = 5_000;

/** Beside the load, so that the gateway keeps its core to itself. */
export async function startRedis(cores: Cores | null): Promise<Redis> {
  const port = await freePort();
  const program = startProgram({
    command: "redis-server",
    args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    core: cores?.load,
  });
  const giveUpMs = performance.now() + START_LIMIT_MS;
  while (!(await answers(port))) {
    const failure = program.ended();
    if (failure !== null || performance.now() > giveUpMs) {
      await program.stop();
      throw new Error(`redis-server ${failure ?? "did not answer"}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { url: `redis://127.0.0.1:${port}`, stop: () => program.stop() };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const done = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("data", (data) => done(data.toString().startsWith("+PONG")));
    socket.once("error", () => done(false));
  });
}
