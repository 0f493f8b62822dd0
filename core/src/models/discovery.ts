import type { ListedModel, ModelList } from "../adapter.ts";
import { backendPlace, type Backend } from "../backend.ts";
import type { DiscoveryConfig } from "../config/resolved.ts";
import type { Logger } from "../log.ts";
import type { State } from "../state/state.ts";
import { askBackend } from "./ask-server.ts";
import type { ListingChange, ModelTable } from "./model-table.ts";

export interface DiscoveryOptions extends DiscoveryConfig {
  readonly table: ModelTable;
  /** Last good lists rest here, so that a restart knows the models of a backend that is down. */
  readonly state: State;
  readonly log: Logger;
  random(): number;
}

/** A list as it is kept. `place` tells whether it is still that of the same backend. */
interface StoredListing {
  readonly place: string;
  readonly models: readonly ListedModel[];
}

/** Most of a page that is read: the longest list known, of a reseller, has about a tenth of it. */
const MAX_LIST_BYTES = 8 * 1024 * 1024;
/** A list of more pages is taken for one without an end; vendors put hundreds of models on each. */
const MAX_PAGES = 20;
/** A backend that does not answer is asked again after this, then after twice as long, up to the interval. */
const FIRST_RETRY_MS = 10_000;
/** Each pause is longer by up to this share, so that many backends are not asked in step. */
const JITTER = 0.1;
/** The start waits so long for backends of which nothing is known yet. */
const START_WAIT_MS = 1_000;

/** Asks backends for their models: at the start, when they come online, and again and again. Off every request's way. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #backends: ReadonlyMap<string, Backend>;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  readonly #running = new Map<string, Promise<ListingChange>>();
  readonly #closing = new AbortController();

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** `backends` are those that are asked. */
  constructor(backends: ReadonlyMap<string, Backend>, options: DiscoveryOptions) {
    this.#backends = new Map([...backends].filter(([, { adapter }]) => adapter.models !== undefined));
    this.#options = options;
  }

  /** Takes up what was known, and asks. Waits a moment for backends of which nothing was. */
  async start(): Promise<void> {
    const unknown: Promise<void>[] = [];
    for (const backend of this.#backends.values()) {
      const isKnown = await this.#restore(backend);
      const asked = this.#askInTurn(backend);
      if (!isKnown) unknown.push(asked);
    }
    if (unknown.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const moment = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, START_WAIT_MS);
    });
    await Promise.race([Promise.all(unknown), moment]);
    clearTimeout(timer);
  }

  /** Asks now. Rejects, with the reason, when the backend does not say; what was known of it stays. */
  refresh(name: string): Promise<ListingChange> {
    const backend = this.#backends.get(name);
    if (!backend) return Promise.reject(new Error(`the backend \`${name}\` is not asked for its models`));
    const running = this.#running.get(name) ?? this.#ask(backend).finally(() => this.#running.delete(name));
    this.#running.set(name, running);
    return running;
  }

  /** It came online: what it has may have changed. */
  wake(name: string): void {
    const backend = this.#backends.get(name);
    if (!backend) return;
    clearTimeout(this.#timers.get(name));
    void this.#askInTurn(backend);
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  async #askInTurn(backend: Backend): Promise<void> {
    const { name } = backend;
    const { log, table } = this.#options;
    try {
      await this.refresh(name);
      this.#failures.delete(name);
    } catch (error) {
      if (this.#closed) return;
      const failures = this.#failures.get(name) ?? 0;
      this.#failures.set(name, failures + 1);
      table.noteSilence(name);
      if (failures === 0)
        log.warn("a backend does not tell its models", { backend: name, cause: (error as Error).message });
    }
    this.#schedule(backend);
  }

  #schedule(backend: Backend): void {
    if (this.#closed) return;
    const { intervalMs, random } = this.#options;
    const failures = this.#failures.get(backend.name) ?? 0;
    const pauseMs = failures === 0 ? intervalMs : Math.min(intervalMs, FIRST_RETRY_MS * 2 ** (failures - 1));
    const timer = setTimeout(() => void this.#askInTurn(backend), pauseMs * (1 + JITTER * random()));
    this.#timers.set(backend.name, timer.unref());
  }

  async #ask(backend: Backend): Promise<ListingChange> {
    const { table, log } = this.#options;
    const list = backend.adapter.models!;
    const models: ListedModel[] = [];
    let next: Page["next"] = {};
    for (let pages = 0; next; pages++) {
      if (pages === MAX_PAGES) throw new Error("too many pages");
      const page = readPage(list, await this.#askForPage(backend, withQuery(list.path, next)));
      models.push(...page.models);
      next = page.next;
    }
    if (this.#closed) throw new Error("closed");
    const change = table.setListing(backend.name, models);
    if (change.added + change.removed + change.updated > 0) {
      log.info("a backend told its models", { backend: backend.name, ...change });
      await this.#store(backend, models);
    }
    return change;
  }

  async #askForPage(backend: Backend, path: string): Promise<string> {
    const answer = await askBackend(backend, path, {
      timeoutMs: this.#options.timeoutMs,
      maxBytes: MAX_LIST_BYTES,
      signal: this.#closing.signal,
    });
    if (answer.failure !== undefined) throw new Error(answer.failure);
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    return answer.text;
  }

  async #restore(backend: Backend): Promise<boolean> {
    const { state, table, log } = this.#options;
    try {
      const stored = await state.get<StoredListing>(backend.name);
      if (stored?.place !== backendPlace(backend)) return false;
      table.setListing(backend.name, stored.models);
      return true;
    } catch (error) {
      log.warn("a backend's last list could not be read", { backend: backend.name, error: String(error) });
      return false;
    }
  }

  async #store(backend: Backend, models: readonly ListedModel[]): Promise<void> {
    const { state, log } = this.#options;
    const stored: StoredListing = { place: backendPlace(backend), models };
    try {
      await state.set(backend.name, stored);
    } catch (error) {
      log.warn("a backend's list could not be kept", { backend: backend.name, error: String(error) });
    }
  }
}

interface Page {
  models: readonly ListedModel[];
  next: ReturnType<NonNullable<ModelList["nextPage"]>>;
}

/** What the adapter makes of a page; its own words may quote the list, so that they stay here. */
function readPage(list: ModelList, text: string): Page {
  try {
    const body: unknown = JSON.parse(text);
    return { models: list.read(body), next: list.nextPage?.(body) };
  } catch (error) {
    throw new Error("malformed", { cause: error });
  }
}

function withQuery(path: string, parameters: Readonly<Record<string, string>>): string {
  const names = Object.keys(parameters);
  if (names.length === 0) return path;
  const url = new URL(path, "http://backend.invalid");
  for (const name of names) url.searchParams.set(name, parameters[name]!);
  return url.pathname + url.search;
}
