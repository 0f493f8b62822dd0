/** Writes under way, by key: who reads a key meanwhile waits for them, however slow the store is. */
export class PendingWrites {
  readonly #writes = new Map<string, Promise<unknown>>();

  /** The write must not reject. */
  add<Result>(key: string, write: Promise<Result>): Promise<Result> {
    const pending = write.finally(() => {
      if (this.#writes.get(key) === pending) this.#writes.delete(key);
    });
    this.#writes.set(key, pending);
    return pending;
  }

  /** Resolves once the latest write of the key is over. */
  async settled(key: string): Promise<void> {
    await this.#writes.get(key);
  }

  async allSettled(): Promise<void> {
    await Promise.all(this.#writes.values());
  }
}
