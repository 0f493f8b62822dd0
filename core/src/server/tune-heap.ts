import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Both halves together, of which one is in use. */
const YOUNG_HEAP_BYTES = 8 * 1024 * 1024;

/**
 * How the process lets V8's heap grow, for many streams at a time. Whoever starts Node with flags of their own for it
 * decides instead.
 */
export function tuneHeap(): void {
  growByDoubling();
  holdYoungHeap();
}

/**
 * Lets the heap double before all of it is looked through for garbage. Left alone, V8 does so whenever a small heap has
 * grown by some 8 MB. A few hundred streams that begin together fill them with what they need while they last, and then
 * wait some tens of milliseconds for a collection that finds next to nothing. It costs memory: at most as much again as
 * what is alive. V8 reads the value after each collection, so it may be set at run time.
 */
function growByDoubling(): void {
  if (!isGiven("heap-growing-percent")) setFlagsFromString("--heap-growing-percent=100");
}

/**
 * Holds the young heap at 4 MB for each of its halves. V8 doubles them, up to 16 MB and more, while much of what is in
 * them stays alive, as when many streams begin; a collection then copies four times as much in one go, and all streams
 * wait for it four times as long. It costs 4 to 7 % of throughput.
 *
 * The limit itself can only be given to Node as it starts. The factor by which V8 grows the halves is read each time.
 * V8 14, that of Node 26, finds their size in another way, and lets them grow less.
 */
function holdYoungHeap(): void {
  if (isGiven("max-semi-space-size", "min-semi-space-size", "semi-space-growth-factor")) return;
  let held = false;
  const look = (): void => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!;
    // After a time of little work V8 takes the halves back, and they have to grow again.
    const isLarge = young.space_size >= YOUNG_HEAP_BYTES;
    if (isLarge === held) return;
    held = isLarge;
    setFlagsFromString(`--semi-space-growth-factor=${isLarge ? 1 : 2}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

/** V8 takes `_` for `-`. */
function isGiven(...names: readonly string[]): boolean {
  const flags = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return flags.some((flag) => names.some((name) => flag.replaceAll("_", "-").startsWith(`--${name}`)));
}
