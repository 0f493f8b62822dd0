import { chatRequest } from "../chat-request.ts";
import { runLoad } from "../load.ts";
import type { Load } from "../load.ts";
import type { Timing } from "../plan.ts";
import { interleave } from "../rounds.ts";
import type { Bench, BySubject, RoundOptions } from "../rounds.ts";
import { median, medianRatio } from "../statistics.ts";
import type { Running } from "../subjects.ts";
import type { Behaviour } from "../upstream.ts";

/** What a subject does in a second when it is never left idle. Medians of the rounds. */
export interface Rate {
  readonly perSecond: number;
  /** Of the bare proxy's in the same round; NaN without it. */
  readonly ratioToBare: number;
  /** The same by processor time of the subject, which other programs on its core hardly blur; NaN likewise. */
  readonly cpuRatioToBare: number;
  /** Shares of the time in which the two sides computed: near 1, the load is what was measured. */
  readonly loadBusy: number;
  readonly subjectBusy: number;
  /** Cores' worth of time that other programs took. */
  readonly othersBusy: number;
  readonly errors: number;
  /** The rate in each round. */
  readonly rounds: readonly number[];
}

/** Chat replies, with 64 requests always under way. */
export function measureThroughput(bench: Bench): Promise<BySubject<Rate>> {
  return measureRate(bench, {
    measure: "throughput",
    timing: bench.plan.throughput,
    behaviour: { kind: "reply" },
    connections: 64,
    // The same code takes up to a quarter more or less from one process to the next.
    fresh: true,
    rate: (load) => load.requestsPerSecond,
  });
}

/** Frames of 32 streams at once; each is long, so that its head weighs nothing beside its frames. */
export function measureStreamRate(bench: Bench): Promise<BySubject<Rate>> {
  return measureRate(bench, {
    measure: "stream-rate",
    timing: bench.plan.streamRate,
    behaviour: { kind: "burst", frames: 500 },
    connections: 32,
    rate: (load) => load.framesPerSecond,
  });
}

interface RateOptions extends RoundOptions {
  readonly measure: string;
  readonly timing: Timing;
  readonly behaviour: Behaviour;
  readonly connections: number;
  rate(load: Load): number;
}

async function measureRate(bench: Bench, options: RateOptions): Promise<BySubject<Rate>> {
  const { rounds, warmupMs, durationMs } = options.timing;
  const one = (running: Running): Promise<Load> => {
    bench.upstream.behave(options.behaviour);
    return runLoad({
      endpoint: running,
      request: chatRequest(running, { stream: options.behaviour.kind === "burst" }),
      connections: options.connections,
      pid: running.pid,
      warmupMs,
      durationMs,
    });
  };
  const loads = await interleave(bench, options.measure, rounds, one, options);
  const rates = (name: string) => (loads.get(name) ?? []).map((load) => options.rate(load));
  const ratesByCpu = (name: string) =>
    (loads.get(name) ?? []).map((load) => options.rate(load) / load.subjectBusy);
  return Object.fromEntries(
    [...loads].map(([name, of]) => [
      name,
      {
        perSecond: median(rates(name)),
        ratioToBare: medianRatio(rates(name), rates("bare")),
        cpuRatioToBare: medianRatio(ratesByCpu(name), ratesByCpu("bare")),
        loadBusy: median(of.map((load) => load.loadBusy)),
        subjectBusy: median(of.map((load) => load.subjectBusy)),
        othersBusy: median(of.map((load) => load.othersBusy)),
        errors: of.reduce((sum, load) => sum + load.errors, 0),
        rounds: rates(name),
      },
    ]),
  );
}
