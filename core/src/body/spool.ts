import { randomUUID } from "node:crypto";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Up to here a body is kept in memory, beyond in a temporary file. */
const MEMORY_BYTES = 1024 * 1024;
const READ_BYTES = 256 * 1024;

/** Keeps a body so that it can be sent later and again, without holding a large one in memory. */
export class Spool {
  #chunks: Uint8Array[] = [];
  #file: FileHandle | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#length += chunk.length;
    if (!this.#file && this.#length <= MEMORY_BYTES) {
      this.#chunks.push(chunk);
      return;
    }
    if (!this.#file) {
      this.#file = await openUnlinked();
      for (const early of this.#chunks) await this.#file.writeFile(early);
      this.#chunks = [];
    }
    await this.#file.writeFile(chunk);
  }

  async *read(): AsyncGenerator<Uint8Array> {
    if (!this.#file) {
      yield* this.#chunks;
      return;
    }
    let position = 0;
    while (position < this.#length) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await this.#file.read(buffer, 0, READ_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#chunks = [];
  }
}

/** A file that nobody else can open and that is gone with the process, whatever happens. */
async function openUnlinked(): Promise<FileHandle> {
  const path = join(tmpdir(), `gatewright-${randomUUID()}`);
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  return file;
}
