import type { Backend } from "../backend.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { GatewayOptions } from "../gateway.ts";
import type { ModelCatalog } from "../plugin.ts";
import { Discovery } from "./discovery.ts";
import type { ModelTable } from "./model-table.ts";

/** Where lists of models rest in the state, beside the plugins' own. */
const STATE_SCOPE = "model-lists";

export function createDiscovery(
  config: ResolvedConfig,
  backends: ReadonlyMap<string, Backend>,
  table: ModelTable,
  { state, log, random = Math.random }: GatewayOptions,
): Discovery {
  const asked = config.backends.filter(({ discovers, enabled }) => discovers && enabled);
  return new Discovery(new Map(asked.map(({ name }) => [name, backends.get(name)!])), {
    ...config.discovery,
    table,
    state: state.scoped(STATE_SCOPE),
    log,
    random,
  });
}

/** What plugins see of the table and of how it is filled. */
export function createCatalog(table: ModelTable, discovery: Discovery): ModelCatalog {
  return {
    isOnline: (backend) => table.isOnline(backend),
    setOnline(backend, online) {
      if (table.isOnline(backend) === online) return;
      table.setOnline(backend, online);
      if (online) discovery.wake(backend);
    },
    refresh: (backend) => discovery.refresh(backend),
    target: (backend, model) => table.targetAt(backend, model),
  };
}
