import { BoundedMap } from "gatewright";
import type { AtomicOp, AtomicRecord, GatewayHost } from "gatewright";

/** Records kept; then the oldest goes. */
const MAX_RECORDS = 10_000;

/** Counts for this process alone while the store is down: the same ops on a bounded map. */
export class LocalStore {
  readonly #records = new BoundedMap<string, { state: AtomicRecord; expiresAtUs: number }>(MAX_RECORDS);
  readonly #nowUs: () => number;

  constructor(host: Pick<GatewayHost, "now">) {
    const epochMs = Date.now() - host.now();
    this.#nowUs = () => Math.floor((epochMs + host.now()) * 1_000);
  }

  run<R extends readonly (number | string)[]>(
    op: AtomicOp<AtomicRecord, readonly number[], R>,
    keys: readonly string[],
    args: readonly number[],
  ): R {
    const nowUs = this.#nowUs();
    const states = keys.map((key) => {
      const record = this.#records.get(key);
      return record !== undefined && record.expiresAtUs > nowUs ? record.state : undefined;
    });
    const step = op.reduce(states, args, nowUs);
    for (const [i, key] of keys.entries()) {
      this.#records.set(key, { state: step.states[i]!, expiresAtUs: nowUs + step.ttlMs[i]! * 1_000 });
    }
    return step.result;
  }
}
