/** Many requests at once, and gateways in processes of their own. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { chatBody } from "../e2e/_stage.ts";
import { tally } from "./_context.ts";

/** Connections to one gateway. */
const CONNECTIONS = 100;

/** Sends so many chat requests at once, spread evenly over the gateways; how often each status came back. */
export async function flood(
  urls: readonly string[],
  count: number,
  headers: Record<string, string> = {},
): Promise<Map<number, number>> {
  const pools = urls.map((url) => new Pool(url, { connections: CONNECTIONS }));
  const body = JSON.stringify(chatBody());
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const reply = await pools[i % pools.length]!.request({
        method: "POST",
        path: "/v1/chat/completions",
        headers: { "content-type": "application/json", ...headers },
        body,
      });
      await reply.body.dump();
      return reply.statusCode;
    }),
  );
  await Promise.all(pools.map((pool) => pool.close()));
  return tally(statuses);
}

export interface GatewayProcess {
  readonly url: string;
  stop(): Promise<void>;
  /** Without a chance to clean up. */
  kill(): Promise<void>;
}

/** What a process is told: its store, its backend, and the options of the one plugin that it lists. */
export interface ProcessConfig {
  readonly plugin: "rate-limit" | "concurrency";
  readonly options: Record<string, unknown>;
  readonly redisUrl: string;
  readonly backendUrl: string;
}

export async function startGatewayProcess(config: ProcessConfig): Promise<GatewayProcess> {
  const child = fork(
    fileURLToPath(new URL("_gateway-process.ts", import.meta.url)),
    [JSON.stringify(config)],
    {
      execArgv: ["--conditions=gatewright-source", "--import", "tsx"],
    },
  );
  const [url] = (await Promise.race([once(child, "message"), failed(child)])) as [string];
  return {
    url,
    async stop() {
      const exited = once(child, "exit");
      child.disconnect();
      await exited;
    },
    async kill() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function failed(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, "exit")) as [number];
  throw new Error(`the gateway's process ended with ${code}`);
}
