import { defineDriver } from "unstorage";
import type { Clock } from "../clock.ts";
import { StateUnavailable } from "../state.ts";
import { ExpiringMap, sweepRegularly } from "./expiring-map.ts";

/**
 * An unstorage driver in memory with a bound and `ttl`. Items with a time to live may be evicted when it is full;
 * those without are never dropped silently, so a set beyond `maxKeys` of them is refused.
 */
export const memoryDocuments = defineDriver((options: { maxKeys: number; clock: Clock }) => {
  const { maxKeys, clock } = options;
  const kept = new Map<string, string>();
  const expiring = new ExpiringMap<string>(maxKeys);
  const timer = sweepRegularly(expiring, clock);
  const read = (key: string) => kept.get(key) ?? expiring.find(key, clock())?.value ?? null;

  return {
    name: "gatewright-memory",
    hasItem: (key: string) => read(key) !== null,
    getItem: read,
    setItem(key: string, text: string, { ttl }: { ttl?: number } = {}) {
      if (ttl === undefined) {
        if (kept.size >= maxKeys && !kept.has(key)) {
          throw new StateUnavailable(`Memory state is full: maxKeys is ${maxKeys}`);
        }
        expiring.delete(key);
        kept.set(key, text);
        return;
      }
      kept.delete(key);
      const nowUs = clock();
      expiring.set(key, text, nowUs + ttl * 1_000_000, nowUs);
    },
    removeItem(key: string) {
      kept.delete(key);
      expiring.delete(key);
    },
    getKeys() {
      const nowUs = clock();
      const alive = [...expiring.entries()].filter(([, entry]) => entry.expiresAtUs > nowUs);
      return [...kept.keys(), ...alive.map(([key]) => key)];
    },
    dispose: () => clearInterval(timer),
  };
});
