import { chatRequest } from "../chat-request.ts";
import { runLoad } from "../load.ts";
import { interleave } from "../rounds.ts";
import type { Bench, BySubject } from "../rounds.ts";
import { median, percentile } from "../statistics.ts";

/** Chat requests by a number of clients, each with one always under way. */
export interface GrowthPoint {
  readonly clients: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

/** How a subject bears more and more clients. */
export async function measureGrowth(bench: Bench): Promise<BySubject<GrowthPoint[]>> {
  const { levels, rounds, warmupMs, durationMs } = bench.plan.growth;
  bench.upstream.behave({ kind: "reply" });
  const results: BySubject<GrowthPoint[]> = {};
  for (const clients of levels) {
    const loads = await interleave(bench, "growth", rounds, (running) =>
      runLoad({
        endpoint: running,
        request: chatRequest(running, { stream: false }),
        connections: clients,
        warmupMs,
        durationMs,
      }),
    );
    for (const [name, of] of loads) {
      results[name] ??= [];
      results[name].push({
        clients,
        requestsPerSecond: median(of.map((load) => load.requestsPerSecond)),
        p50Ms: median(of.map((load) => percentile(load.latencies, 0.5))),
        p99Ms: median(of.map((load) => percentile(load.latencies, 0.99))),
        errors: of.reduce((sum, load) => sum + load.errors, 0),
      });
    }
  }
  return results;
}
