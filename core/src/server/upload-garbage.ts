import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** So much of uploads is read between two collections. */
const STEP_BYTES = 8 * 1024 * 1024;

type CollectGarbage = (options: { type: "minor" }) => void;

let uncollected = 0;
let collect: CollectGarbage | undefined;

/**
 * Counts what was read of uploads, all together, and has it freed in good time. Node reads each piece into memory of its
 * own. Left alone, V8 lets some 32 MiB of them pile up, and then takes them for a reason to look through the whole heap:
 * eight times in 100 MB, with all requests waiting. A collection of young objects alone takes half a millisecond.
 */
export function countUploaded(bytes: number): void {
  uncollected += bytes;
  if (uncollected < STEP_BYTES) return;
  uncollected = 0;
  collect ??= findCollector();
  collect({ type: "minor" });
}

/** V8 shows its collector only to contexts that are made while the flag is set. */
function findCollector(): CollectGarbage {
  setFlagsFromString("--expose-gc");
  const found = runInNewContext("gc") as CollectGarbage;
  setFlagsFromString("--no-expose-gc");
  return found;
}
