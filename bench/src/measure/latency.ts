import { chatRequest } from "../chat-request.ts";
import { runLoad } from "../load.ts";
import type { Load } from "../load.ts";
import type { Timing } from "../plan.ts";
import { interleave } from "../rounds.ts";
import type { Bench, BySubject } from "../rounds.ts";
import { median, medianDifference, percentile } from "../statistics.ts";
import type { Behaviour } from "../upstream.ts";

/** One percentile of a time in milliseconds. Medians of the rounds; differences are taken within each. */
export interface Quantile {
  readonly ms: number;
  /** Over a call straight to the upstream. */
  readonly addedMs: number;
  /** Over a call through the bare proxy; NaN without it. */
  readonly overBareMs: number;
}

/** With so many requests always under way. */
export interface Latency {
  readonly concurrency: number;
  readonly p50: Quantile;
  readonly p99: Quantile;
  readonly errors: number;
}

const CONCURRENCIES = [1, 64];

/** From a chat request to the end of its reply. */
export function measureLatency(bench: Bench): Promise<BySubject<Latency[]>> {
  return measureTimes(bench, {
    measure: "latency",
    timing: bench.plan.latency,
    behaviour: { kind: "reply" },
    times: (load) => load.latencies,
  });
}

/** From a streaming chat request to the first byte of its first frame. */
export function measureFirstToken(bench: Bench): Promise<BySubject<Latency[]>> {
  return measureTimes(bench, {
    measure: "first-token",
    timing: bench.plan.firstToken,
    behaviour: { kind: "burst", frames: 8 },
    times: (load) => load.firstBytes,
  });
}

interface TimesOptions {
  readonly measure: string;
  readonly timing: Timing;
  readonly behaviour: Behaviour;
  times(load: Load): Float64Array;
}

async function measureTimes(bench: Bench, options: TimesOptions): Promise<BySubject<Latency[]>> {
  const { rounds, warmupMs, durationMs } = options.timing;
  bench.upstream.behave(options.behaviour);
  const results: BySubject<Latency[]> = {};
  for (const concurrency of CONCURRENCIES) {
    const loads = await interleave(bench, options.measure, rounds, (running) =>
      runLoad({
        endpoint: running,
        request: chatRequest(running, { stream: options.behaviour.kind === "burst" }),
        connections: concurrency,
        warmupMs,
        durationMs,
      }),
    );
    const quantile = (name: string, share: number): Quantile => {
      const values = (of: string) =>
        (loads.get(of) ?? []).map((load) => percentile(options.times(load), share));
      return {
        ms: median(values(name)),
        addedMs: medianDifference(values(name), values("direct")),
        overBareMs: medianDifference(values(name), values("bare")),
      };
    };
    for (const [name, of] of loads) {
      results[name] ??= [];
      results[name].push({
        concurrency,
        p50: quantile(name, 0.5),
        p99: quantile(name, 0.99),
        errors: of.reduce((sum, load) => sum + load.errors, 0),
      });
    }
  }
  return results;
}
