import { createStorage } from "unstorage";
import type { Clock } from "../clock.ts";
import { Documents } from "../documents.ts";
import type { Store } from "../store.ts";
import { AtomicTable } from "./atomic-table.ts";
import { sweepRegularly } from "./expiring-map.ts";
import { memoryDocuments } from "./memory-documents.ts";

/** Atomic records, and documents, that one process holds at most. */
export const DEFAULT_MAX_KEYS = 1_000_000;

export function createMemoryStore(maxKeys: number, clock: Clock): Store {
  const documents = new Documents(createStorage({ driver: memoryDocuments({ maxKeys, clock }) }));
  const table = new AtomicTable(maxKeys, clock);
  const timer = sweepRegularly(table.records, clock);
  return {
    driver: "memory",
    shared: false,
    documents,
    run: (op, prefix, keys, args) => table.run(op, prefix, keys, args),
    status: () => ({ ok: true }),
    async close() {
      clearInterval(timer);
      await documents.close();
    },
  };
}
