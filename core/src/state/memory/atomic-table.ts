import type { Clock } from "../clock.ts";
import type { AtomicOp, AtomicRecord, AtomicStep, AtomicValues } from "../state.ts";
import { ExpiringMap } from "./expiring-map.ts";
import type { ExpiringEntry } from "./expiring-map.ts";

/**
 * The records of memory and file state. A run reads, reduces and writes within one synchronous call, which is what
 * makes it atomic.
 */
export class AtomicTable {
  readonly records: ExpiringMap<AtomicRecord>;
  readonly #clock: Clock;
  readonly #onChange: ((key: string) => void) | undefined;

  constructor(maxKeys: number, clock: Clock, onChange?: (key: string) => void) {
    this.records = new ExpiringMap(maxKeys);
    this.#clock = clock;
    this.#onChange = onChange;
  }

  run<S extends AtomicRecord, A extends AtomicValues, R extends AtomicValues>(
    op: AtomicOp<S, A, R>,
    prefix: string,
    keys: readonly string[],
    args: A,
  ): R {
    const nowUs = this.#clock();
    const wholeKeys: string[] = [];
    const found: (ExpiringEntry<AtomicRecord> | undefined)[] = [];
    const states: (S | undefined)[] = [];
    for (const key of keys) {
      const wholeKey = prefix + key;
      const entry = this.records.find(wholeKey, nowUs);
      wholeKeys.push(wholeKey);
      found.push(entry);
      states.push(entry?.value as S | undefined);
    }
    const step = op.reduce(states, args, nowUs);
    checkStep(op.name, step, keys.length);
    for (let i = 0; i < keys.length; i++) {
      const key = wholeKeys[i]!;
      const entry = found[i];
      const state = step.states[i]!;
      const expiresAtUs = nowUs + step.ttlMs[i]! * 1_000;
      if (state === null) {
        this.records.delete(key);
      } else if (entry === undefined) {
        this.records.set(key, state, expiresAtUs, nowUs);
      } else {
        entry.value = state;
        entry.expiresAtUs = expiresAtUs;
      }
      this.#onChange?.(key);
    }
    return step.result;
  }
}

/** Before anything is written: an op that breaks its contract must not leave half of its keys changed. */
function checkStep(name: string, step: AtomicStep<AtomicRecord, unknown>, count: number): void {
  if (step.states.length !== count || step.ttlMs.length !== count) {
    throw new TypeError(
      `${name}: expected ${count} states and times to live, got ${step.states.length} and ${step.ttlMs.length}`,
    );
  }
  for (let i = 0; i < count; i++) {
    const ttlMs = step.ttlMs[i]!;
    if (step.states[i] === null) continue;
    if (step.states[i] === undefined || !(ttlMs > 0 && Number.isInteger(ttlMs))) {
      throw new TypeError(
        `${name}: expected a state and a whole time to live above 0 for key ${i + 1}, got ${ttlMs} ms`,
      );
    }
  }
}
