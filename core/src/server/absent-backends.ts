import type { AbsentBackend, ResolvedBackend, ResolvedConfig } from "../config/resolved.ts";
import type { Logger } from "../log.ts";
import { messageOf } from "./start-refused.ts";

/** A server that does not answer is asked again after this, then after twice as long, up to the interval of discovery. */
const FIRST_RETRY_MS = 10_000;

/** The process whose config lacks them. */
export interface AbsenceHost {
  readonly config: ResolvedConfig;
  readonly log: Logger;
  reload(config: ResolvedConfig): Promise<void>;
}

/** Asks backends that were absent at the start what they are, until they say so, and takes them into the config. */
export class AbsentBackends {
  readonly #host: AbsenceHost;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(host: AbsenceHost) {
    this.#host = host;
  }

  /** Begins anew with the config in force. */
  follow(retryMs = FIRST_RETRY_MS): void {
    clearTimeout(this.#timer);
    const { absent, discovery } = this.#host.config;
    if (this.#closed || absent.length === 0) return;
    const pauseMs = Math.min(retryMs, discovery.intervalMs);
    this.#timer = setTimeout(() => void this.#ask(pauseMs), pauseMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #ask(pauseMs: number): Promise<void> {
    const { config, log } = this.#host;
    const found = new Map<string, ResolvedBackend>();
    const away: AbsentBackend[] = [];
    for (const backend of config.absent) {
      try {
        const resolved = await backend.find();
        if (resolved) found.set(backend.name, resolved);
        else away.push(backend);
      } catch (error) {
        log.error(`The backend \`${backend.name}\` stays out: ${messageOf(error)}`);
      }
    }
    // Another config has come, and asks for its own.
    if (this.#closed || this.#host.config !== config) return;
    if (away.length === config.absent.length) return this.follow(pauseMs * 2);
    const backends = config.backends.map((backend) => found.get(backend.name) ?? backend);
    try {
      await this.#host.reload({ ...config, backends, absent: away });
      for (const { name, adapter } of found.values())
        log.info(`The backend \`${name}\` is there: ${adapter.name}`);
    } catch (error) {
      log.error(`Backends that came could not be taken into use: ${messageOf(error)}`);
      this.follow(pauseMs * 2);
    }
  }
}
