import { defineDriver } from "unstorage";
import type { Cluster, Redis } from "ioredis";
import type { RedisClient } from "./redis-client.ts";
import type { StoreGuard } from "./store-guard.ts";

const SCAN_COUNT = 1_000;

/** An unstorage driver on a client that others use too. `ttl` in seconds, to the millisecond. Keys come without glob signs. */
export const redisDocuments = defineDriver(
  (options: { client: RedisClient; guard: StoreGuard; prefix: string }) => {
    const { client, guard, prefix } = options;

    async function scan(node: Redis, pattern: string): Promise<string[]> {
      const found: string[] = [];
      let cursor = "0";
      do {
        const at = cursor;
        const [next, keys] = await guard.call(() => node.scan(at, "MATCH", pattern, "COUNT", SCAN_COUNT));
        found.push(...keys);
        cursor = next;
      } while (cursor !== "0");
      return found;
    }

    return {
      name: "gatewright-redis",
      hasItem: async (key: string) => (await guard.call(() => client.exists(prefix + key))) === 1,
      getItem: (key: string) => guard.call(() => client.get(prefix + key)),
      async setItem(key: string, text: string, { ttl }: { ttl?: number } = {}) {
        await guard.call(() =>
          ttl === undefined
            ? client.set(prefix + key, text)
            : client.set(prefix + key, text, "PX", Math.ceil(ttl * 1_000)),
        );
      },
      async removeItem(key: string) {
        await guard.call(() => client.unlink(prefix + key));
      },
      async getKeys(base = "") {
        const nodes = client.isCluster ? (client as Cluster).nodes("master") : [client as Redis];
        const pattern = `${escapeGlob(prefix)}${base}*`;
        const found = await Promise.all(nodes.map((node) => scan(node, pattern)));
        // SCAN may give a key twice.
        return [...new Set(found.flat())].map((key) => key.slice(prefix.length));
      },
    };
  },
);

function escapeGlob(text: string): string {
  return text.replaceAll(/[*?[\]\\]/g, String.raw`\$&`);
}
