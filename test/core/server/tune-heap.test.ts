import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const MODULE = new URL("../../../core/src/server/tune-heap.ts", import.meta.url).href;

/** In each turn of the event loop some hundred kilobytes begin to live, for longer than a collection or two. */
const PROGRAM = `
  import { getHeapSpaceStatistics } from "node:v8";
  import { setImmediate as turn } from "node:timers/promises";
  const { tuneHeap } = await import(${JSON.stringify(MODULE)});
  if (process.argv[1] === "tuned") tuneHeap();
  const young = () => getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size;
  let alive = [];
  for (let at = 0; at < 400; at++) {
    if (at % 80 === 0) alive = [];
    for (let one = 0; one < 2_000; one++) alive.push({ one, list: [one] });
    await turn();
  }
  process.stdout.write(String(young()));
`;

/** The bytes that the young heap has taken in the end. */
async function youngHeap(flags: readonly string[], ...args: readonly string[]): Promise<number> {
  const program = ["--import", "tsx", ...flags, "--input-type=module", "--eval", PROGRAM, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, program);
  return Number(stdout);
}

const MIB = 1024 * 1024;

/** From V8 14 on, that of Node 26, it finds a size by itself. */
const GROWS_BY_FACTOR = Number.parseInt(process.versions.v8) < 14;

describe("the young heap of a server", () => {
  it("is held at 4 MiB for each half, where V8 would let it grow", async () => {
    const bytes = await youngHeap([], "tuned");
    expect(bytes).toBeGreaterThan(2 * MIB);
    // A page or two more while a collection has just been.
    if (GROWS_BY_FACTOR) expect(bytes).toBeLessThan(12 * MIB);
    expect(await youngHeap([])).toBeGreaterThan(12 * MIB);
  });

  it("is left to whoever gave Node flags for it", async () => {
    expect(await youngHeap(["--max_semi_space_size=16"], "tuned")).toBeGreaterThan(12 * MIB);
  });
});
