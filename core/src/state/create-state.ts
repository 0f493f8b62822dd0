import type { StateConfig } from "../config/resolved.ts";
import type { Logger } from "../log.ts";
import { createClock, neverBack } from "./clock.ts";
import { createMemoryStore, DEFAULT_MAX_KEYS } from "./memory/memory-store.ts";
import type { State } from "./state.ts";
import type { StateStatus, Store } from "./store.ts";

/** State as core holds it: plugins get `scoped` views of it. */
export interface StateRoot extends State {
  status(): StateStatus;
  /** Flushes and lets go: files, lock, connections, timers. */
  close(): Promise<void>;
}

export interface StateOptions {
  /** Microseconds since the epoch, for memory and file. Redis has the server's clock. Default: the machine's. */
  now?: () => number;
  log?: Logger;
}

/**
 * Opens the store that the config names. A file store that another process holds is refused (`StateUnavailable`); a
 * Redis that cannot be reached is not: its calls fail until it answers.
 */
export async function createState(config: StateConfig, options: StateOptions = {}): Promise<StateRoot> {
  const store = await openStore(config, options);
  return { ...viewOf(store, ""), status: () => store.status(), close: () => store.close() };
}

async function openStore(config: StateConfig, { now, log }: StateOptions): Promise<Store> {
  if (config.driver === "redis") {
    const { openRedisStore } = await import("./redis/redis-store.ts");
    return openRedisStore(config, log);
  }
  const clock = now ? neverBack(now) : createClock();
  if (config.driver === "memory") return createMemoryStore(config.maxKeys ?? DEFAULT_MAX_KEYS, clock);
  const { openFileStore } = await import("./file/file-store.ts");
  return openFileStore({ ...config, clock, log });
}

function viewOf(store: Store, prefix: string): State {
  const { documents } = store;
  return {
    driver: store.driver,
    shared: store.shared,
    get: (key) => documents.get(prefix + key),
    set: (key, value, options) => documents.set(prefix + key, value, options),
    remove: (key) => documents.remove(prefix + key),
    async keys(start = "") {
      return (await documents.keys(prefix + start)).map((key) => key.slice(prefix.length));
    },
    run: (op, keys, args) => store.run(op, prefix, keys, args),
    scoped: (more) => viewOf(store, `${prefix}${more}:`),
  };
}
