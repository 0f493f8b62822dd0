import type * as Ioredis from "ioredis";
import { isSecret, revealSecret } from "../../config/secret.ts";
import type { Secret } from "../../config/secret.ts";
import { StateUnavailable } from "../state.ts";

export type RedisClient = Ioredis.Redis | Ioredis.Cluster;

export interface RedisClientOptions {
  url: string | Secret;
  cluster?: boolean;
  timeoutMs: number;
}

export const CONNECT_TIMEOUT_MS = 2_000;
const MAX_BACKOFF_MS = 2_000;

/** A client that is not connected yet. ioredis is an optional peer, loaded only for Redis state. */
export async function createRedisClient({
  url,
  cluster,
  timeoutMs,
}: RedisClientOptions): Promise<RedisClient> {
  const { Cluster, Redis } = await loadIoredis();
  const address = isSecret(url) ? revealSecret(url) : url;
  // A command is sent once or fails: nothing waits for a connection, and what a lost one left unanswered may have run,
  // so it is rejected (0 retries) and not sent again: sent twice, it would count twice.
  const connection: Ioredis.CommonRedisOptions = {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // Without it, a peer that vanished in silence is noticed by TCP only after minutes.
    socketTimeout: Math.max(CONNECT_TIMEOUT_MS, 10 * timeoutMs),
    // A primary that became a replica: connect anew (1, without sending the command again).
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 1 : false),
  };
  const common = { lazyConnect: true, enableOfflineQueue: false, enableAutoPipelining: true };
  if (!cluster) {
    const client = new Redis(address, { ...connection, ...common, retryStrategy: backoffMs });
    endTimeoutWithConnection(client);
    return client;
  }

  const { protocol, username, password } = new URL(address);
  const client = new Cluster([address], {
    ...common,
    clusterRetryStrategy: backoffMs,
    // 0: not sent again after a closed connection. What got MOVED, ASK or CLUSTERDOWN for an answer did not run.
    retryDelayOnFailover: 0,
    redisOptions: {
      ...connection,
      username: decodeURIComponent(username) || undefined,
      password: decodeURIComponent(password) || undefined,
      tls: protocol === "rediss:" ? {} : undefined,
    },
  });
  // ioredis connects to a node with the first command for it, and refuses those that come meanwhile. Its own first
  // one, which asks how the cluster is, must go before.
  client.on("ready", () => client.nodes("all").forEach(connectNode));
  client.on("+node", (node: Ioredis.Redis) => {
    if (client.status === "ready") connectNode(node);
  });
  return client;
}

function connectNode(node: Ioredis.Redis): void {
  if (node.status !== "wait") return;
  node.connect().catch(() => {
    // The node tells of it as an error of its own, and of its end.
  });
}

/** Connects; of a cluster, to every node that answers. */
export async function connectRedis(client: RedisClient): Promise<void> {
  await client.connect();
  if (!("nodes" in client)) return;
  await Promise.all(client.nodes("all").map(untilSettled));
}

/** Until the node takes commands, or is given up. */
function untilSettled(node: Ioredis.Redis): Promise<void> {
  return new Promise((resolve) => {
    if (node.status === "ready" || node.status === "end") resolve();
    else {
      node.once("ready", resolve);
      node.once("end", resolve);
    }
  });
}

/**
 * ioredis 5 lets the timer of `socketTimeout` outlive a connection that was lost with a command unanswered, and then
 * destroys the next connection with it. A cluster is not concerned: its nodes get a client each for every connection.
 */
function endTimeoutWithConnection(client: Ioredis.Redis): void {
  client.on("close", () => {
    clearTimeout(client["socketTimeoutTimer"]);
    client["socketTimeoutTimer"] = undefined;
  });
}

function backoffMs(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 10), MAX_BACKOFF_MS);
}

async function loadIoredis(): Promise<Pick<typeof Ioredis, "Cluster" | "Redis">> {
  try {
    return await import("ioredis");
  } catch (cause) {
    throw new StateUnavailable(
      'Redis state needs the package "ioredis" (5.4.2 or later): npm install ioredis',
      {
        cause,
      },
    );
  }
}
