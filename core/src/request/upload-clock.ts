/** A client that stays below this for longer than the grace is given up. */
const MIN_BYTES_PER_SECOND = 1024;
const GRACE_MS = 60_000;

/**
 * How long a client was waited for while it uploads. That time counts against no limit but the client's own: the
 * backend cannot answer what is still to come, and a backend that takes the upload slowly is not the client's fault.
 * All times are `performance.now()`.
 */
export class UploadClock {
  #waitedMs = 0;
  /** 0 while the client is not waited for. */
  #since = 0;

  /** The same chunks; the clock runs while the next one is waited for. */
  async *time(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      this.start();
      for await (const chunk of chunks) {
        this.stop();
        yield chunk;
        this.start();
      }
    } finally {
      this.stop();
    }
  }

  /** More of the upload is wanted. */
  start(): void {
    this.#since = performance.now();
  }

  /** It came, or nothing more will. */
  stop(): void {
    if (this.#since === 0) return;
    this.#waitedMs += performance.now() - this.#since;
    this.#since = 0;
  }

  get waiting(): boolean {
    return this.#since > 0;
  }

  waitedMs(nowMs: number): number {
    return this.waiting ? this.#waitedMs + Math.max(0, nowMs - this.#since) : this.#waitedMs;
  }

  /** So many bytes are too few for the time that they took. */
  isTooSlow(bytes: number, nowMs: number): boolean {
    const beyondMs = this.waitedMs(nowMs) - GRACE_MS;
    return beyondMs > 0 && bytes < (beyondMs / 1000) * MIN_BYTES_PER_SECOND;
  }
}
