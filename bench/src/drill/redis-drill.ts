import { setTimeout as sleep } from "node:timers/promises";
import { startTcpProxy } from "../../../test/_support/tcp-proxy.ts";
import type { TcpProxy } from "../../../test/_support/tcp-proxy.ts";
import type { Lag } from "../../configs/probe.ts";
import { cpuMs } from "../machine.ts";
import type { Cores } from "../machine.ts";
import { startRedis } from "../redis.ts";
import type { Redis } from "../redis.ts";
import { table } from "../report/table.ts";
import { percentile } from "../statistics.ts";
import { watchCore } from "./core-watch.ts";
import { startDrillGateway } from "./gateway.ts";
import type { DrillGateway } from "./gateway.ts";
import { answerTo, createLanes } from "./lanes.ts";
import type { Evidence, Lane, RedisIs } from "./lanes.ts";
import { PacedLoad } from "./paced-load.ts";
import { startDrillUpstream } from "./upstream.ts";
import type { DrillUpstream } from "./upstream.ts";
import type { Verdict } from "./verdict.ts";

/** A phase of the drill: what is done to Redis, and what undoes it. */
interface Phase {
  readonly name: string;
  readonly redis: RedisIs;
  begin?(stage: Stage): void | Promise<void>;
  end?(stage: Stage): void | Promise<void>;
}

interface Stage {
  redis: Redis;
  readonly proxy: TcpProxy;
  readonly cores: Cores | null;
  resets: NodeJS.Timeout | undefined;
}

const SLOW_MS = 2_000;
const RESET_EVERY_MS = 250;

const PHASES: readonly Phase[] = [
  { name: "healthy", redis: "up" },
  {
    name: "paused",
    redis: "down",
    begin: ({ proxy }) => proxy.blackhole(true),
    end: ({ proxy }) => proxy.blackhole(false),
  },
  {
    name: "slow",
    redis: "down",
    // Half of it on each way.
    begin: ({ proxy }) => void (proxy.delayMs = SLOW_MS / 2),
    end: ({ proxy }) => void (proxy.delayMs = 0),
  },
  {
    name: "reset",
    redis: "shaky",
    begin: (stage) => void (stage.resets = setInterval(() => stage.proxy.reset(), RESET_EVERY_MS)),
    end: ({ resets }) => clearInterval(resets),
  },
  {
    name: "flushed",
    redis: "up",
    begin: async ({ redis }) => void (await redis.command("FLUSHALL")),
  },
  {
    name: "killed",
    redis: "down",
    begin: ({ redis }) => redis.stop(),
    end: async (stage) => void (stage.redis = await startRedis(stage.cores, stage.redis.port)),
  },
  { name: "restarted", redis: "up" },
];

/** What one phase showed. */
interface PhaseResult {
  readonly phase: Phase;
  readonly evidence: ReadonlyMap<string, Evidence>;
  readonly lag: Lag;
  /** The longest that the gateway, or load, upstream and proxy together, had no core to run on. */
  readonly corelessMs: number;
  /** Own lag of the load's process: what is in its latencies and is not the gateway's. */
  readonly loadLagMs: number;
  /** Share of the phase for which the gateway was computing. */
  readonly busy: number;
  readonly logLines: readonly string[];
  /** From the end of the fault, by lane; a lane that is absent did not come back. Empty where there was none. */
  readonly backMs: ReadonlyMap<string, number>;
}

/** From one window to the next nothing is counted: what was sent before a fault is to be answered before it. */
const GAP_MS = 300;
/** How long a lane may take to use Redis again. */
const BACK_WITHIN_MS = 5_000;
const MAX_LAG_MS = 100;
/** A stall of the machine as long as the store's time-out makes a healthy store late. */
const DISTURBED_MS = 100;
const MAX_TRIES = 5;

export interface RedisDrill {
  readonly report: string;
  readonly verdicts: readonly Verdict[];
}

/** Sends to every plugin that keeps state at a constant pace, while Redis goes through all its phases. */
export async function drillRedis(cores: Cores | null, phaseMs: number): Promise<RedisDrill> {
  const lanes = createLanes();
  const upstream = await startDrillUpstream(({ model }) => answerTo(model));
  const redis = await startRedis(cores);
  const proxy = await startTcpProxy({ host: "127.0.0.1", port: redis.port });
  const stage: Stage = { redis, proxy, cores, resets: undefined };
  const gateway = await startDrillGateway({
    config: "redis-drill",
    env: { BENCH_UPSTREAM: upstream.url, BENCH_REDIS: `redis://${proxy.host}:${proxy.port}` },
    cores,
  });
  const load = new PacedLoad(gateway.port, lanes);
  try {
    // Compiles what will run, and fills the cache.
    await sleep(2_000);
    await gateway.takeLag();
    const results: PhaseResult[] = [];
    for (const phase of PHASES) {
      const drill = { stage, gateway, upstream, load, lanes, phaseMs };
      let result: PhaseResult;
      let tries = 0;
      do {
        process.stderr.write(`${phase.name} `);
        result = await runPhase(phase, drill);
        tries += 1;
      } while (isDisturbed(result) && tries < MAX_TRIES);
      results.push(result);
    }
    process.stderr.write("\n");
    const ended = gateway.ended();
    if (ended !== null) throw new Error(`the gateway ${ended}`);
    return { report: renderPhases(results, lanes), verdicts: judge(results, lanes) };
  } finally {
    load.close();
    await gateway.stop();
    clearInterval(stage.resets);
    await proxy.close();
    await stage.redis.stop();
    upstream.close();
  }
}

interface Drill {
  readonly stage: Stage;
  readonly gateway: DrillGateway;
  readonly upstream: DrillUpstream;
  readonly load: PacedLoad;
  readonly lanes: readonly Lane[];
  readonly phaseMs: number;
}

async function runPhase(phase: Phase, drill: Drill): Promise<PhaseResult> {
  const { stage, gateway, upstream, load, lanes, phaseMs } = drill;
  const core = watchCore();
  await phase.begin?.(stage);
  load.begin();
  const startedMs = performance.now();
  const startedCpuMs = cpuMs(gateway.pid);
  // What held a slot before the fault has let go of it by then.
  await sleep(GAP_MS);
  for (const { name } of lanes) upstream.takeMostInFlight(name);
  await sleep(phaseMs - GAP_MS);
  const mostInFlight = new Map(lanes.map(({ name }) => [name, upstream.takeMostInFlight(name)]));
  const tallies = load.end();
  const busyMs = cpuMs(gateway.pid) - startedCpuMs;
  const seconds = (performance.now() - startedMs) / 1_000;
  await sleep(GAP_MS);

  let backMs: ReadonlyMap<string, number> = new Map();
  if (phase.end !== undefined) {
    await phase.end(stage);
    backMs = await waitUntilBack(drill);
  }
  const lag = await gateway.takeLag();
  core.stop();
  const { corelessMs, ownLagMs: loadLagMs } = core.take();
  return {
    phase,
    evidence: new Map(
      lanes.map(({ name }) => [
        name,
        { ...tallies.get(name)!, seconds, mostInFlight: mostInFlight.get(name)! },
      ]),
    ),
    lag,
    corelessMs: Math.max(lag.corelessMs, corelessMs),
    loadLagMs,
    busy: busyMs / 1_000 / seconds,
    logLines: gateway.takeLogLines(),
    backMs,
  };
}

/** Until every lane uses Redis again, or has had its time. */
async function waitUntilBack({ load, lanes, upstream }: Drill): Promise<ReadonlyMap<string, number>> {
  const endedMs = performance.now();
  const back = new Map<string, number>();
  const byName = new Map(lanes.map((lane) => [lane.name, lane]));
  load.onAnswer = (name, kind, sentMs) => {
    if (sentMs < endedMs || back.has(name)) return;
    if (byName.get(name)!.isBack(kind, upstream.inFlight(name))) back.set(name, performance.now() - endedMs);
  };
  while (back.size < lanes.length && performance.now() - endedMs < BACK_WITHIN_MS) await sleep(50);
  load.onAnswer = () => {};
  return back;
}

function renderPhases(results: readonly PhaseResult[], lanes: readonly Lane[]): string {
  const answers = table(
    "Each phase, each plugin: latencies in ms",
    ["", "", "requests", "p50", "p99", "max", "back after", "answers"],
    results.flatMap(({ phase, evidence, backMs }) =>
      lanes.map(({ name }) => {
        const { sent, kinds, latencies } = evidence.get(name)!;
        const sorted = Float64Array.from(latencies).sort();
        const counts = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ×${count}`);
        const back = phase.end === undefined ? "" : (backMs.get(name)?.toFixed(0) ?? "never");
        const times = [0.5, 0.99, 1].map((share) => percentile(sorted, share).toFixed(1));
        return [phase.name, name, String(sent), ...times, back, `  ${counts.join(", ")}`];
      }),
    ),
    2,
  );
  const loop = table(
    "The gateway: how busy, and how late its event loop, ms",
    ["", "busy", "p99 lag", "max lag", "own max", "load's own max", "coreless", "log lines"],
    results.map(({ phase, busy, lag, loadLagMs, corelessMs, logLines }) => [
      phase.name,
      `${(100 * busy).toFixed(0)} %`,
      lag.p99Ms.toFixed(1),
      lag.maxMs.toFixed(1),
      lag.ownLagMs.toFixed(1),
      loadLagMs.toFixed(1),
      corelessMs.toFixed(1),
      String(logLines.length),
    ]),
  );
  return `${answers}\n\n${loop}`;
}

function isDisturbed({ corelessMs }: PhaseResult): boolean {
  return corelessMs >= DISTURBED_MS;
}

/** What a disturbed phase lacks says nothing, what it has does. */
function judge(results: readonly PhaseResult[], lanes: readonly Lane[]): Verdict[] {
  const ofPhase = (result: PhaseResult, what: string, found: string, isMet: boolean): Verdict =>
    isMet || !isDisturbed(result)
      ? { what, found, isMet }
      : {
          what,
          found: `${found}; the machine stood still for ${result.corelessMs.toFixed(0)} ms`,
          isMet: null,
        };
  return [
    ...lanes.flatMap((lane) =>
      results.map((result): Verdict => {
        const fault = lane.broken(result.phase.redis, result.evidence.get(lane.name)!);
        const what = `${result.phase.name}: ${lane.name}, ${lane.promise}`;
        return ofPhase(result, what, fault ?? "so it was", fault === null);
      }),
    ),
    ...results
      .filter(({ phase }) => phase.end !== undefined)
      .map((result): Verdict => {
        const { phase, backMs } = result;
        const missing = lanes.filter(({ name }) => !backMs.has(name)).map(({ name }) => name);
        return ofPhase(
          result,
          `${phase.name}: all use Redis again within ${BACK_WITHIN_MS / 1_000} s, without a restart`,
          missing.length > 0
            ? `not ${missing.join(", ")}`
            : `the last after ${Math.max(...backMs.values()).toFixed(0)} ms`,
          missing.length === 0,
        );
      }),
    ...results.map((result): Verdict => {
      const { ownLagMs } = result.lag;
      return ofPhase(
        result,
        `${result.phase.name}: own event loop lag below ${MAX_LAG_MS} ms`,
        `${ownLagMs.toFixed(1)} ms`,
        ownLagMs < MAX_LAG_MS,
      );
    }),
  ];
}
