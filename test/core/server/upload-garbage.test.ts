import { expect, it } from "vitest";
import { countUploaded } from "../../../core/src/server/upload-garbage.ts";
import { waitFor } from "../../_support/wait-for.ts";

const MIB = 1024 * 1024;

/** Pieces as Node reads them, of which none is kept. */
function readPieces(bytes: number): void {
  for (let read = 0; read < bytes; read += 64 * 1024) Buffer.allocUnsafeSlow(64 * 1024).fill(1);
}

it("frees what was read of uploads once there are 8 MiB, of however many of them", async () => {
  // So that nothing from before is freed with it.
  countUploaded(8 * MIB);
  const before = process.memoryUsage().arrayBuffers;
  readPieces(7 * MIB);
  countUploaded(4 * MIB);
  countUploaded(3 * MIB);
  expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(6 * MIB);
  countUploaded(1 * MIB);
  // V8 gives back what it found to be garbage on a thread of its own.
  await waitFor("the pieces freed", () => process.memoryUsage().arrayBuffers - before < 2 * MIB);
});
