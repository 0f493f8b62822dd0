import { hash } from "node:crypto";
import { murmur3 } from "./murmur3.ts";
import type { RingPoints } from "./hash-ring.ts";

export type Digest = "md5" | "sha1" | "sha256";

/** Points by MurmurHash3, `perWeight` for each unit of weight. */
export function murmurPoints(perWeight: number): RingPoints {
  return (target) => {
    const points = new Uint32Array(countOf(perWeight, target.weight));
    for (let index = 0; index < points.length; index++) points[index] = murmur3(`${target.id}#${index}`);
    return points;
  };
}

/** Points by a digest, `perWeight` for each unit of weight; as in ketama every digest gives four. */
export function digestPoints(digest: Digest, perWeight: number): RingPoints {
  return (target) => {
    const points = new Uint32Array(countOf(perWeight, target.weight));
    let bytes = "";
    for (let index = 0; index < points.length; index++) {
      const word = index % 4;
      if (word === 0) bytes = hash(digest, `${target.id}#${index / 4}`, "binary");
      points[index] = wordAt(bytes, word * 4);
    }
    return points;
  };
}

/** Where a key falls: the first 32 bits of its digest. */
export function digestOf(digest: Digest, key: string): number {
  // As text: making a Buffer for 16 bytes costs more than the digest.
  return wordAt(hash(digest, key, "binary"), 0);
}

function wordAt(bytes: string, offset: number): number {
  return (
    ((bytes.charCodeAt(offset) << 24) |
      (bytes.charCodeAt(offset + 1) << 16) |
      (bytes.charCodeAt(offset + 2) << 8) |
      bytes.charCodeAt(offset + 3)) >>>
    0
  );
}

/** Never 0: a target with any weight stands somewhere. */
function countOf(perWeight: number, weight: number): number {
  return Math.max(1, Math.round(perWeight * weight));
}
