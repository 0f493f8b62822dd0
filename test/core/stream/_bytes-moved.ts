import { vi } from "vitest";

/** How many bytes the work copies from one buffer to another. */
export function bytesMoved(work: () => void): number {
  let moved = 0;
  const { copy } = Buffer.prototype;
  const { concat } = Buffer;
  const spies = [
    vi.spyOn(Buffer.prototype, "copy").mockImplementation(function (this: Buffer, ...args) {
      const count = copy.apply(this, args);
      moved += count;
      return count;
    }),
    vi.spyOn(Buffer, "concat").mockImplementation((list, length) => {
      const joined = concat(list, length);
      moved += joined.length;
      return joined;
    }),
  ];
  try {
    work();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return moved;
}
