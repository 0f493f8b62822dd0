import type { Socket } from "node:net";

/** What a large body is made of. */
export const FILLER = Buffer.alloc(64 * 1024, 0x55);

/** Writes `bytes` bytes, `block` over and over, as fast as the socket takes them; then calls `end`. */
export function pour(socket: Socket, block: Buffer, bytes: number, end = (): void => {}): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const count = Math.min(left, block.length);
      left -= count;
      if (!socket.write(block.subarray(0, count))) {
        socket.once("drain", more);
        return;
      }
    }
    end();
  };
  more();
}
