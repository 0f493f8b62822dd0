import type { Measures } from "./results.ts";
import { medianRatio } from "./statistics.ts";

/** Something the gateway promises, beside what was measured. */
export interface Requirement {
  readonly subject: "empty" | "default" | "traffic" | "traffic-redis" | "translated";
  readonly text: string;
  /** NaN: not measured. */
  readonly value: number;
  readonly limit: number;
  /** Which side of the limit is good. */
  readonly good: "atLeast" | "atMost";
  /** Null: not measured. */
  readonly isMet: boolean | null;
}

/** Every requirement, whether measured or not. */
export function checkRequirements(measures: Measures): Requirement[] {
  const { throughput } = measures;
  const rates = (name: string) => throughput?.[name]?.rounds ?? [];
  return [
    atLeast("empty", "throughput, of bare", throughput?.["empty"]?.ratioToBare, 0.75),
    atLeast("default", "throughput, of bare", throughput?.["default"]?.ratioToBare, 0.6),
    atLeast("default", "throughput, times Portkey", medianRatio(rates("default"), rates("portkey")), 10),
    atLeast("traffic", "throughput, of bare", throughput?.["traffic"]?.ratioToBare, 0.5),
    atLeast("traffic-redis", "throughput, of bare", throughput?.["traffic-redis"]?.ratioToBare, 0.35),
    ...(["empty", "default"] as const).flatMap((name) => ofSubject(name, measures)),
    ...["from ollama", "from anthropic"].flatMap((name) => {
      const figures = measures.translated?.[name];
      return [
        atLeast("translated", `${name}: stream frames, of the same dialect`, figures?.ratioToSame, 0.5),
        atMost("translated", `${name}: first token added, ms`, figures?.firstTokenAddedMs, 0.2),
      ];
    }),
  ];
}

function ofSubject(name: Requirement["subject"], measures: Measures): Requirement[] {
  const alone = measures.latency?.[name]?.find(({ concurrency }) => concurrency === 1);
  const memory = measures.memory?.[name];
  return [
    atMost(name, "one client: p50 added over direct, ms", alone?.p50.addedMs, 0.2),
    atMost(name, "one client: p50 added over bare, ms", alone?.p50.overBareMs, 0.2),
    atLeast(name, "stream frames, of bare", measures.streamRate?.[name]?.ratioToBare, 0.6),
    ...pacedRequirements(name, measures),
    atMost(name, "growth while 100 MB go up, MiB", memory?.uploadGrowth, 32),
    atMost(name, "growth while 100 MB come down, MiB", memory?.downloadGrowth, 32),
    atMost(name, "cold start to the first 200, ms", measures.coldStart?.[name]?.medianMs, 700),
    atMost(name, "resident memory when idle, MiB", memory?.idle, 100),
  ];
}

function pacedRequirements(name: Requirement["subject"], measures: Measures): Requirement[] {
  const of = (streams: number) => measures.paced?.[name]?.find((paced) => paced.streams === streams);
  return [
    atMost(name, "256 streams: p50 of a frame, of bare", of(256)?.p50ToBare, 1.5),
    atMost(name, "256 streams: p99 of a frame, of bare", of(256)?.p99ToBare, 1.5),
    ...[1_000, 2_000].flatMap((streams) => {
      const paced = of(streams);
      const incomplete = paced === undefined ? undefined : paced.started - paced.complete;
      return [
        atMost(name, `${streams} streams: not complete`, incomplete, 0),
        atMost(name, `${streams} streams: frames lost`, paced?.lost, 0),
        atMost(name, `${streams} streams: latest frame, ms`, paced?.maxMs, 250),
      ];
    }),
  ];
}

type Check = (
  subject: Requirement["subject"],
  text: string,
  value: number | undefined,
  limit: number,
) => Requirement;

const atLeast: Check = (subject, text, value = Number.NaN, limit) => ({
  subject,
  text,
  value,
  limit,
  good: "atLeast",
  isMet: Number.isNaN(value) ? null : value >= limit,
});

const atMost: Check = (subject, text, value = Number.NaN, limit) => ({
  subject,
  text,
  value,
  limit,
  good: "atMost",
  isMet: Number.isNaN(value) ? null : value <= limit,
});
