import { parseJson, stringifyJson } from "../body/exact-json.ts";
import { StateUnavailable } from "./state.ts";
import { fromStorageKey, toStorageKey } from "./storage-key.ts";

/** Raised when the shape of what is stored changes; older documents are then read by their number. */
const FORMAT = 1;

/**
 * What is needed of a `Storage` of unstorage. Its own types, which name packages that few have, would be checked in every
 * project that checks those of its dependencies.
 */
interface DocumentStorage {
  getItemRaw(key: string): Promise<unknown>;
  setItemRaw(key: string, text: string, options: { ttl?: number }): Promise<void>;
  removeItem(key: string): Promise<void>;
  getKeys(base: string): Promise<string[]>;
  dispose(): Promise<void>;
}

/** Documents over any unstorage driver whose items are text and that honours `ttl` (seconds, fractions allowed). */
export class Documents {
  readonly #storage: DocumentStorage;

  constructor(storage: DocumentStorage) {
    this.#storage = storage;
  }

  async get<T extends object>(key: string): Promise<T | undefined> {
    // Raw, since unstorage's own reading turns "123" into a number and drops keys named `constructor`.
    const text: unknown = await available(() => this.#storage.getItemRaw(toStorageKey(key)));
    if (text === null || text === undefined) return undefined;
    return fromText(key, text) as T;
  }

  async set(key: string, value: object, options: { ttlMs?: number } = {}): Promise<void> {
    const { ttlMs } = options;
    if (ttlMs !== undefined && !(ttlMs > 0)) throw new RangeError(`ttlMs must be above 0, got ${ttlMs}`);
    const text = stringifyJson({ v: FORMAT, value });
    await available(() =>
      this.#storage.setItemRaw(toStorageKey(key), text, ttlMs === undefined ? {} : { ttl: ttlMs / 1_000 }),
    );
  }

  async remove(key: string): Promise<void> {
    await available(() => this.#storage.removeItem(toStorageKey(key)));
  }

  /** Keys that start with `prefix`, in no order. */
  async keys(prefix: string): Promise<string[]> {
    const base = toStorageKey(prefix.slice(0, Math.max(0, prefix.lastIndexOf(":"))));
    const stored = await available(() => this.#storage.getKeys(base === "~" ? "" : base));
    return stored.map(fromStorageKey).filter((key) => key.startsWith(prefix));
  }

  async close(): Promise<void> {
    await this.#storage.dispose();
  }
}

async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StateUnavailable) throw cause;
    throw new StateUnavailable(`State cannot be read or written: ${(cause as Error).message}`, { cause });
  }
}

function fromText(key: string, text: unknown): unknown {
  let stored: { v?: unknown; value?: unknown } | null;
  try {
    stored = parseJson(String(text)) as typeof stored;
  } catch (cause) {
    throw new StateUnavailable(`The document ${JSON.stringify(key)} is not valid JSON`, { cause });
  }
  if (stored?.v !== FORMAT || typeof stored.value !== "object" || stored.value === null) {
    throw new StateUnavailable(`The document ${JSON.stringify(key)} has an unknown format`);
  }
  return stored.value;
}
