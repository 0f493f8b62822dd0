import { hash, timingSafeEqual } from "node:crypto";

const DIGEST_BYTES = 32;
/** No key has this digest, as far as anybody can tell. */
const NO_DIGEST = Buffer.alloc(DIGEST_BYTES);

/**
 * The digest of a key, `sha256:` and 64 hex digits: what stands in a config instead of the key. One round suffices for
 * random keys of 128 bits or more; a key that could be guessed is not hidden by it.
 */
export function hashKey(key: string): string {
  return `sha256:${hash("sha256", key, "hex")}`;
}

/**
 * Values by API key. Only digests are held. A look-up hashes, finds the digest and compares it in constant time,
 * whether or not there is such a key, so that its duration says nothing about any key.
 */
export class KeyRing<T> {
  readonly #entries = new Map<string, { readonly digest: Buffer; readonly value: T }>();
  readonly #scratch = Buffer.alloc(DIGEST_BYTES);

  /** `keyHash` as `hashKey` makes it. */
  add(keyHash: string, value: T): void {
    const digest = Buffer.from(keyHash.slice("sha256:".length), "hex");
    this.#entries.set(digest.toString("latin1"), { digest, value });
  }

  find(key: string): T | undefined {
    // As text: making a Buffer for a digest costs more than the digest.
    const digest = hash("sha256", key, "binary");
    const entry = this.#entries.get(digest);
    this.#scratch.write(digest, "latin1");
    return timingSafeEqual(this.#scratch, entry?.digest ?? NO_DIGEST) ? entry?.value : undefined;
  }
}
