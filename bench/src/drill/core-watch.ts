import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

/** The worst of a process since it was last asked. In milliseconds. */
export interface Worst {
  /** The event loop was late by so much, without the time that was spent waiting for a core. */
  readonly ownLagMs: number;
  /** The process was ready to run and had no core for so long, within one turn of the loop. */
  readonly corelessMs: number;
}

const TICK_MS = 10;

/** Watches the process it runs in. Where the system does not tell of cores, all lag counts as its own. */
export function watchCore(): { take(): Worst; stop(): void } {
  let [atMs, waitedMs] = [performance.now(), coreWaitMs()];
  let [ownLagMs, corelessMs] = [0, 0];
  const timer = setInterval(() => {
    const [nowMs, nowWaitedMs] = [performance.now(), coreWaitMs()];
    const coreless = nowWaitedMs - waitedMs;
    ownLagMs = Math.max(ownLagMs, nowMs - atMs - TICK_MS - coreless);
    corelessMs = Math.max(corelessMs, coreless);
    [atMs, waitedMs] = [nowMs, nowWaitedMs];
  }, TICK_MS);
  return {
    take() {
      const worst = { ownLagMs, corelessMs };
      [ownLagMs, corelessMs] = [0, 0];
      return worst;
    },
    stop: () => clearInterval(timer),
  };
}

/** How long the main thread has waited for a core so far: the second figure of proc(5) schedstat, in nanoseconds. */
function coreWaitMs(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "latin1").split(" ")[1]) * 1e-6;
  } catch {
    return 0;
  }
}
