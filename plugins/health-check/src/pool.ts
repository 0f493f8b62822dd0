import type { Target } from "gatewright";
import type { Exclusion } from "./health.ts";

/** What is known of a target's backend at one moment. */
export type ExclusionOf = (target: Target) => Exclusion | undefined;

/**
 * The candidates that may be used. `pool` is all targets of the model: what a retry has left over is not all there is.
 *
 * Backends that are down or loading are out in any case. A refused credential is used again only where the pool has
 * nothing else, so that the backend's own refusal is what the client learns of. Ejected backends are used when less
 * than `panicShare` of the pool is healthy: better a backend that fails sometimes than too few that work.
 */
export function selectUsable(
  candidates: readonly Target[],
  pool: readonly Target[],
  exclusionOf: ExclusionOf,
  panicShare: number,
): readonly Target[] {
  let healthy = 0;
  let ejected = 0;
  let total = 0;
  for (const target of pool) {
    if (target.weight === 0) continue;
    total++;
    const exclusion = exclusionOf(target);
    if (exclusion === undefined) healthy++;
    else if (exclusion === "ejected") ejected++;
  }
  const useEjected = healthy < panicShare * total;
  const useRefused = healthy + (useEjected ? ejected : 0) === 0;
  return candidates.filter((target) => {
    const exclusion = exclusionOf(target);
    if (exclusion === undefined) return true;
    if (exclusion === "ejected") return useEjected;
    return exclusion === "auth_failed" && useRefused;
  });
}

/** Most backends of a pool that may be ejected at once: a tenth, half of 2 to 4, never less than one. */
export function mostEjected(size: number): number {
  if (size >= 2 && size <= 4) return Math.floor(size / 2);
  return Math.max(1, Math.floor(size / 10));
}
