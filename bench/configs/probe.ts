import { monitorEventLoopDelay } from "node:perf_hooks";
import { defineGatewayPlugin } from "gatewright";
import type { GatewayPluginFactory } from "gatewright";
import * as v from "valibot";
import { watchCore } from "../src/drill/core-watch.ts";
import type { Worst } from "../src/drill/core-watch.ts";

const ProbeOptions = v.strictObject({});
const RESOLUTION_MS = 10;
const MS_PER_NS = 1e-6;

/** `GET /drill/lag`: how late the event loop was since the last such request, in milliseconds. */
export interface Lag extends Worst {
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** `GET /drill/memory`: bytes, right after a full collection where the process runs with `--expose-gc`. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
}

/** Tells a drill how the gateway's own process is. */
export const probe: GatewayPluginFactory<typeof ProbeOptions> = defineGatewayPlugin({
  name: "drill-probe",
  options: ProbeOptions,
  setup() {
    const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.enable();
    const core = watchCore();
    // What is recorded is the time between two ticks of a timer, the wait that it asks for included.
    const late = (ns: number): number => Math.max(0, ns * MS_PER_NS - RESOLUTION_MS);
    return {
      routes(app) {
        app.get("/drill/lag", (): Lag => {
          const lag = { p99Ms: late(delay.percentile(99)), maxMs: late(delay.max), ...core.take() };
          delay.reset();
          return lag;
        });
        app.get("/drill/memory", (): ProcessMemory => {
          globalThis.gc?.();
          const { rss, heapUsed } = process.memoryUsage();
          return { residentBytes: rss, heapUsedBytes: heapUsed };
        });
      },
      close() {
        delay.disable();
        core.stop();
      },
    };
  },
});
