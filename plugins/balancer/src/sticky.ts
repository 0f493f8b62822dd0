import { HashRing } from "./hash-ring.ts";
import { ModelMaps } from "./model-maps.ts";
import { murmur3 } from "./murmur3.ts";
import type { HashKey } from "./options.ts";
import { keyReader } from "./request-key.ts";
import { murmurPoints } from "./ring-points.ts";
import type { Pick } from "./strategies.ts";

/** Rings kept: one a model. */
const MAX_RINGS = 1_000;
const POINTS = 150;

/**
 * Sends requests of one key to one target, found on a ring: nothing is remembered, so every process finds the same,
 * after a restart too. Requests without the key are left to `pick`.
 */
export function stickBy(key: HashKey, pick: Pick): Pick {
  const points = murmurPoints(POINTS);
  const rings = new ModelMaps((targets) => new HashRing(targets, points), MAX_RINGS);
  const readKey = keyReader(key);
  return (ctx, candidates) => {
    const hashed = readKey(ctx);
    if (hashed === undefined || hashed === "") return pick(ctx, candidates);
    return rings.of(ctx.model, candidates).find(murmur3(hashed), candidates);
  };
}
