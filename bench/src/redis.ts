import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cores } from "./machine.ts";
import { freePort, startProgram } from "./process.ts";

/** A redis-server of the benchmark's own, without persistence. */
export interface Redis {
  readonly url: string;
  readonly port: number;
  /** Sends one command without arguments by a connection of its own; its answer as it came. */
  command(name: string): Promise<string>;
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

/** Beside the load, so that the gateway keeps its core to itself. On a free port, unless one is named. */
export async function startRedis(cores: Cores | null, namedPort?: number): Promise<Redis> {
  const port = namedPort ?? (await freePort());
  const program = startProgram({
    command: "redis-server",
    args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    core: cores?.load,
  });
  const giveUpMs = performance.now() + START_LIMIT_MS;
  while ((await ask(port, "PING"))?.startsWith("+PONG") !== true) {
    const failure = program.ended();
    if (failure !== null || performance.now() > giveUpMs) {
      await program.stop();
      throw new Error(`redis-server ${failure ?? "did not answer"}`);
    }
    await sleep(20);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async command(name) {
      const answer = await ask(port, name);
      if (answer === null) throw new Error(`redis-server did not answer ${name}`);
      return answer;
    },
    stop: () => program.stop(),
  };
}

/** Null when nobody is there. */
function ask(port: number, command: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    const done = (answer: string | null) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", (data) => done(data.toString()));
    socket.once("error", () => done(null));
  });
}
