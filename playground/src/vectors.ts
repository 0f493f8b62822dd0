import { hash, seededRandom } from "./random.ts";

/**
 * A unit vector for a text, the same on every run. It is the sum of one random direction a word, so that texts which
 * share words lie near each other, as real embeddings do. Values are exact in 32 bits: the float and the base64 form
 * carry the same numbers. A smaller `dimensions` is a prefix of the larger vector, scaled to length 1 again.
 */
export function embed(text: string, dimensions: number): Float32Array {
  const sum = new Float64Array(dimensions);
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text];
  for (const word of words) {
    const random = seededRandom(hash(word));
    for (let index = 0; index < dimensions; index++) sum[index]! += random() * 2 - 1;
  }
  const length = Math.hypot(...sum) || 1;
  return Float32Array.from(sum, (value) => value / length);
}

/** Cosine of two unit vectors, in [-1, 1]. */
export function similarity(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0);
}

/** Little-endian float32, as OpenAI's `encoding_format: "base64"` has it. */
export function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * 4));
  return bytes.toString("base64");
}
