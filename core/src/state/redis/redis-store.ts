import { createStorage } from "unstorage";
import type { StateConfig } from "../../config/resolved.ts";
import type { Logger } from "../../log.ts";
import { Documents } from "../documents.ts";
import { StateUnavailable, type AtomicValues } from "../state.ts";
import { toStorageKey } from "../storage-key.ts";
import type { Store } from "../store.ts";
import { connectRedis, CONNECT_TIMEOUT_MS, createRedisClient } from "./redis-client.ts";
import type { RedisClient } from "./redis-client.ts";
import { redisDocuments } from "./redis-documents.ts";
import { fromTagged, scriptOf, toTagged } from "./script.ts";
import type { Script } from "./script.ts";
import { StoreGuard } from "./store-guard.ts";
import type { GuardedCall } from "./store-guard.ts";

type RedisConfig = Extract<StateConfig, { driver: "redis" }>;

const DEFAULT_PREFIX = "gatewright:";
const DEFAULT_TIMEOUT_MS = 100;

/**
 * State in Redis, Valkey or a Redis Cluster, by one client: documents as strings `<prefix>doc:<key>`, atomic records
 * as `<prefix>rec:{<first segment of the key>}:<rest>`, so that all keys of one plugin share a hash slot and one
 * script may touch any of them. Opening tries to connect, and warns if it cannot.
 */
export async function openRedisStore(config: RedisConfig, log?: Logger): Promise<Store> {
  const { url, cluster, prefix = DEFAULT_PREFIX, timeoutMs = DEFAULT_TIMEOUT_MS } = config;
  const client = await createRedisClient({ url, cluster, timeoutMs });
  const guard = new StoreGuard(timeoutMs, log);
  const outage = followConnection(client, guard, log);
  await tryConnect(client, outage.begin);

  const driver = redisDocuments({ client, guard, prefix: `${prefix}doc:` });
  const documents = new Documents(createStorage({ driver }));
  return {
    driver: "redis",
    shared: true,
    documents,
    async run<R extends AtomicValues>(
      op: { readonly name: string; readonly lua: string },
      scope: string,
      keys: readonly string[],
      args: AtomicValues,
    ): Promise<R> {
      const redisKeys = keys.map((key) => recordKey(prefix, scope + key));
      const script = scriptOf(op);
      const values = [...redisKeys, ...args.map(toTagged)];
      try {
        const reply = await guard.call((call) => evaluate(client, script, keys.length, values, call));
        return reply.map(fromTagged) as unknown as R;
      } catch (error) {
        throw toStateError(op.name, error as Error);
      }
    },
    status() {
      if (client.status !== "ready") return { ok: false, reason: "Redis is not connected" };
      return guard.isOpen ? { ok: false, reason: "Redis does not answer in time" } : { ok: true };
    },
    async close() {
      outage.stop();
      await documents.close();
      // QUIT lets replies under way arrive; a Redis that does not answer is not waited for.
      if (client.status === "ready") await guard.call(() => client.quit()).catch(() => {});
      client.disconnect();
    },
  };
}

/** Waits for the first try, but not for a Redis that is loading its data; ioredis goes on by itself. */
function tryConnect(client: RedisClient, onFailure: (error: Error) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CONNECT_TIMEOUT_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    connectRedis(client).catch(onFailure).finally(done);
  });
}

/** One round trip, two when Redis has to learn the script: NOSCRIPT is the one error after which it surely did not run. */
async function evaluate(
  client: RedisClient,
  { source, sha1 }: Script,
  keyCount: number,
  values: string[],
  call: GuardedCall,
): Promise<string[]> {
  try {
    return (await client.evalsha(sha1, keyCount, ...values)) as string[];
  } catch (error) {
    if (call.timedOut || !(error as Error).message.startsWith("NOSCRIPT")) throw error;
    return (await client.eval(source, keyCount, ...values)) as string[];
  }
}

/** The first segment is the plugin's name. It is escaped, so that it holds no brace and is never empty. */
function recordKey(prefix: string, key: string): string {
  const stored = toStorageKey(key);
  const end = stored.indexOf(":");
  return end < 0 ? `${prefix}rec:{${stored}}` : `${prefix}rec:{${stored.slice(0, end)}}${stored.slice(end)}`;
}

/** An error raised by the op's own Lua is a fault of the op, as a throw of its reducer is; the rest is the store's. */
function toStateError(name: string, error: Error): Error {
  if (error instanceof StateUnavailable) return error;
  if (error.name === "ReplyError" && /^ERR .*user_script/.test(error.message)) {
    return new Error(`The Lua of ${name} failed: ${error.message}`, { cause: error });
  }
  return new StateUnavailable(`Redis cannot be used: ${error.message}`, { cause: error });
}

/** One log line when Redis goes and one when it is there; ioredis tells every failed try. */
function followConnection(client: RedisClient, guard: StoreGuard, log?: Logger) {
  let isDown = false;
  let isStopped = false;
  const begin = (error: Error) => {
    if (isDown || isStopped) return;
    isDown = true;
    log?.warn("Redis cannot be reached; trying on", { error: error.message });
  };
  client.on("error", begin);
  client.on("close", () => begin(new Error("the connection was closed")));
  client.on("ready", () => {
    guard.answered();
    if (isDown) log?.info("Redis is connected");
    isDown = false;
    warnOfEviction(client, log).catch((error: Error) => {
      log?.debug("The eviction policy of Redis is not known", { error: error.message });
    });
  });
  return {
    begin,
    stop() {
      isStopped = true;
    },
  };
}

/** With any other policy a full Redis drops counters and quotas: what was used up is free again. */
async function warnOfEviction(client: RedisClient, log?: Logger): Promise<void> {
  const memory = await client.info("memory");
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1];
  if (policy === undefined || policy === "noeviction") return;
  log?.warn(`Redis may drop state when it is full: its maxmemory-policy is ${policy}, set noeviction`);
}
