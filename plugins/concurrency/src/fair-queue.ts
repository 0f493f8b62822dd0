/**
 * Who waits, in the order in which they will be served: the higher priority first, within it tenant by tenant in turn,
 * within a tenant by arrival. So one tenant's thousand entries make another wait for one of them only.
 */
export class FairQueue<T> {
  /** By priority, highest first; then by tenant, in order of their turn. */
  readonly #levels = new Map<number, Map<string, Set<T>>>();
  #priorities: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an entry, and gives the function that takes it out again; true when it was still waiting. */
  push(entry: T, tenant: string, priority: number): () => boolean {
    let turns = this.#levels.get(priority);
    if (turns === undefined) {
      turns = new Map();
      this.#levels.set(priority, turns);
      this.#priorities = [...this.#levels.keys()].sort((a, b) => b - a);
    }
    const entries = turns.get(tenant) ?? new Set();
    turns.set(tenant, entries.add(entry));
    this.#size++;
    return () => this.#remove(entry, tenant, priority);
  }

  /** Takes out whose turn it is. */
  shift(): T | undefined {
    const [priority] = this.#priorities;
    if (priority === undefined) return undefined;
    const turns = this.#levels.get(priority)!;
    const [tenant, entries] = turns.entries().next().value!;
    const entry = entries.values().next().value!;
    // To the end of the turns, with what is left.
    turns.delete(tenant);
    turns.set(tenant, entries);
    this.#remove(entry, tenant, priority);
    return entry;
  }

  #remove(entry: T, tenant: string, priority: number): boolean {
    const turns = this.#levels.get(priority);
    const entries = turns?.get(tenant);
    if (!entries?.delete(entry)) return false;
    this.#size--;
    if (entries.size === 0) turns!.delete(tenant);
    if (turns!.size === 0) {
      this.#levels.delete(priority);
      this.#priorities = this.#priorities.filter((other) => other !== priority);
    }
    return true;
  }
}
