/**
 * Bytes that wait for the rest of what they are part of, in one piece with it. The room for them doubles as it fills, so
 * that what a long event costs grows with its length and not with its square, however small the chunks it comes in. Bytes
 * that were given away are never written over.
 */
export class ByteCarry {
  #held: Buffer | null = null;
  /** What `#held` stands at the front of, where that is a buffer of our own. */
  #room: Buffer | null = null;

  /** What was held, and the chunk behind it. Nothing is held any more. */
  join(chunk: Buffer): Buffer {
    const held = this.#held;
    if (!held) {
      this.#room = null;
      return chunk;
    }
    this.#held = null;
    const length = held.length + chunk.length;
    let room = this.#room;
    if (!room || room.length < length) {
      room = Buffer.allocUnsafe(Math.max(length, 2 * held.length));
      held.copy(room);
      this.#room = room;
    }
    chunk.copy(room, held.length);
    return room.length === length ? room : room.subarray(0, length);
  }

  /** Holds what `join` gave last, from `start` on. */
  hold(joined: Buffer, start: number): void {
    if (start === joined.length) this.#held = null;
    else this.#held = start === 0 ? joined : joined.subarray(start);
    if (start > 0) this.#room = null;
  }

  /** Gives away what is held. */
  take(): Buffer | null {
    const held = this.#held;
    this.#held = this.#room = null;
    return held;
  }
}
