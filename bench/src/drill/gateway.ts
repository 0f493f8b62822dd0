import { setTimeout as sleep } from "node:timers/promises";
import type { Lag, ProcessMemory } from "../../configs/probe.ts";
import type { Cores } from "../machine.ts";
import { freePort, startNode } from "../process.ts";
import type { Program } from "../process.ts";
import { BENCH_KEY, gatewayArgs } from "../subjects.ts";

export interface DrillGateway {
  readonly port: number;
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Why it ended; null while it runs. */
  ended(): string | null;
  /** How late its event loop was since the last call. */
  takeLag(): Promise<Lag>;
  memory(): Promise<ProcessMemory>;
  /** Lines of its log that are not of a request, since the last call. */
  takeLogLines(): string[];
  stop(): Promise<void>;
}

export interface DrillGatewayOptions {
  /** A config that lists the probe. */
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cores: Cores | null;
}

const START_LIMIT_MS = 15_000;

/** A built gateway on a core of its own, once it is ready. */
export async function startDrillGateway({ config, env, cores }: DrillGatewayOptions): Promise<DrillGateway> {
  const port = await freePort();
  let lines: string[] = [];
  let rest = "";
  const program = startNode({
    args: ["--expose-gc", ...gatewayArgs(config, port)],
    env: { BENCH_KEY, ...env },
    cores,
    listen(text) {
      const parts = (rest + text).split("\n");
      rest = parts.pop()!;
      lines.push(...parts.filter((line) => !line.includes('"message":"request"')));
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await ready(url, program);
  return {
    port,
    pid: program.pid,
    headers: { authorization: `Bearer ${BENCH_KEY}` },
    ended: () => program.ended(),
    takeLag: () => read<Lag>(`${url}/drill/lag`),
    memory: () => read<ProcessMemory>(`${url}/drill/memory`),
    takeLogLines() {
      const taken = lines;
      lines = [];
      return taken;
    },
    stop: () => program.stop(),
  };
}

async function ready(url: string, program: Program): Promise<void> {
  const giveUpMs = performance.now() + START_LIMIT_MS;
  for (;;) {
    const isReady = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    const failure = program.ended();
    if (failure !== null || performance.now() > giveUpMs) {
      await program.stop();
      throw new Error(`the gateway ${failure ?? "was not ready in time"}`);
    }
    await sleep(20);
  }
}

async function read<T>(url: string): Promise<T> {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}`);
  return (await reply.json()) as T;
}
