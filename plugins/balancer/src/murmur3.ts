const scratch = Buffer.allocUnsafe(1_024);

/**
 * MurmurHash3_x86_32 (Austin Appleby, public domain reference `MurmurHash3.cpp`) of a text's UTF-8 bytes, unsigned.
 * Fast and even, not a defence against keys chosen to collide.
 */
export function murmur3(text: string, seed = 0): number {
  // A UTF-16 unit takes at most 3 bytes of UTF-8.
  if (text.length * 3 > scratch.length) {
    const bytes = Buffer.from(text);
    return murmur3Bytes(bytes, bytes.length, seed);
  }
  return murmur3Bytes(scratch, scratch.write(text), seed);
}

function murmur3Bytes(bytes: Buffer, length: number, seed: number): number {
  let hash = seed | 0;
  const whole = length & ~3;
  for (let offset = 0; offset < whole; offset += 4) {
    hash ^= scramble(
      bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24),
    );
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let offset = length - 1; offset >= whole; offset--) tail = (tail << 8) | bytes[offset]!;
  hash ^= scramble(tail) ^ length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
