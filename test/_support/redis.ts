import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { waitFor } from "./wait-for.ts";

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Sends one command by a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  /** Stops answering, with all connections open, until `resume`. */
  pause(): void;
  resume(): void;
  /** Dies at once (SIGKILL), losing all data. */
  kill(): Promise<void>;
  /** Starts again on the same port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const READY = "Ready to accept connections";
const PORT_TRIES = 5;
const SLOTS = 16_384;

/** A real redis-server of its own, without persistence, on a free port of 127.0.0.1. Needs `redis-server` installed. */
export async function startRedis(...options: string[]): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), "gatewright-redis-"));
  let port = 0;
  let server: ChildProcess | undefined;
  // Between the choice of a free port and its use somebody else may take it.
  for (let attempt = 1; server === undefined; attempt++) {
    port = await freePort();
    try {
      server = await launch(port, dir, options);
    } catch (error) {
      if (attempt === PORT_TRIES) throw error;
    }
  }

  async function kill(): Promise<void> {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  }

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async command(name, ...args) {
      const client = new Redis(port, { retryStrategy: () => null });
      try {
        return await client.call(name, ...args);
      } finally {
        client.disconnect();
      }
    },
    pause: () => void server?.kill("SIGSTOP"),
    resume: () => void server?.kill("SIGCONT"),
    kill,
    async restart() {
      await kill();
      server = await launch(port, dir, options);
    },
    async stop() {
      await kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A Redis Cluster of so many primaries, each with an equal share of the slots. */
export async function startRedisCluster(size: number): Promise<TestRedis[]> {
  const nodes: TestRedis[] = [];
  const busPorts: number[] = [];
  for (let i = 0; i < size; i++) {
    busPorts.push(await freePort());
    const bus = ["--cluster-port", `${busPorts[i]}`, "--cluster-announce-ip", "127.0.0.1"];
    nodes.push(await startRedis("--cluster-enabled", "yes", ...bus));
  }
  for (const [i, node] of nodes.entries()) {
    const slots = [0, 1].map((more) => Math.floor(((i + more) * SLOTS) / size));
    await node.command("CLUSTER", "ADDSLOTSRANGE", slots[0]!, slots[1]! - 1);
    if (i > 0) await nodes[0]!.command("CLUSTER", "MEET", "127.0.0.1", node.port, busPorts[i]!);
  }
  await waitFor("the cluster", async () => {
    const infos = await Promise.all(nodes.map((node) => node.command("CLUSTER", "INFO")));
    return infos.every(
      (info) =>
        String(info).includes("cluster_state:ok") && String(info).includes(`cluster_known_nodes:${size}`),
    );
  });
  return nodes;
}

async function launch(port: number, dir: string, options: string[]): Promise<ChildProcess> {
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", [...args, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const endWithUs = () => server.kill("SIGKILL");
  process.once("exit", endWithUs);
  server.once("exit", () => process.off("exit", endWithUs));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new Error("These tests need redis-server: install it (apt-get install redis-server)", { cause }),
      );
    });
    server.once("exit", (code) => reject(new Error(`redis-server on port ${port} ended with ${code}`)));
    createInterface({ input: server.stdout }).on("line", (line) => {
      if (line.includes(READY)) resolve();
    });
  });
  return server;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
