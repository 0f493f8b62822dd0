import type { GatewayHost } from "gatewright";
import type { LimitInput } from "./options.ts";

/** How often each kind of limit has occurred in a snapshot, which its operations stand for. */
const kindsOfSnapshots = new WeakMap<object, Map<string, number>>();

/**
 * A name for each limit: its own, else what it counts, numbered where there are several of a kind in the config. So
 * two limits never share their counts unless they share a name.
 */
export function nameLimits(limits: readonly LimitInput[], { operations }: GatewayHost): readonly string[] {
  const kinds = kindsOfSnapshots.get(operations) ?? new Map<string, number>();
  kindsOfSnapshots.set(operations, kinds);
  return limits.map((limit) => {
    if (limit.name !== undefined) return limit.name;
    const kind = kindOf(limit);
    const number = (kinds.get(kind) ?? 0) + 1;
    kinds.set(kind, number);
    return number === 1 ? kind : `${kind}-${number}`;
  });
}

/** Names a limit by what it counts, not by its numbers: a new number is to find what was used. */
function kindOf({ unit = "requests", scope = "client-ip", per = "second", windowMs }: LimitInput): string {
  const window = windowMs === undefined ? per : `${windowMs}ms`;
  return `${unit}-per-${window}-by-${typeof scope === "function" ? "function" : scope}`;
}
