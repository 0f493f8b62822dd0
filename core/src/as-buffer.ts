// The global of that name is read through an accessor, each time anew.
import { Buffer } from "node:buffer";

/** The same bytes as a `Buffer`: without a new view where they are one already, as they nearly always are on Node. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
