import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chatRequest, runLoad } from "./load.ts";
import { describeMachine, pinLoad } from "./machine.ts";
import { measureColdStart } from "./measure/cold-start.ts";
import { measureGrowth } from "./measure/growth.ts";
import { measureFirstToken, measureLatency } from "./measure/latency.ts";
import { measureMemory } from "./measure/memory.ts";
import { measurePaced } from "./measure/paced.ts";
import { measureStreamRate, measureThroughput } from "./measure/rate.ts";
import { readOptions, USAGE } from "./options.ts";
import type { MeasureName, Options } from "./options.ts";
import { FULL, QUICK } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { killPrograms } from "./process.ts";
import { plotSubjects, renderSvg } from "./report/svg.ts";
import { renderReport } from "./report/table.ts";
import { checkRequirements } from "./requirements.ts";
import type { Measures, Results, SubjectFact } from "./results.ts";
import type { Bench, Failure } from "./rounds.ts";
import { createSubjects, directTo } from "./subjects.ts";
import type { Running, Subject } from "./subjects.ts";
import { startUpstream } from "./upstream.ts";
import type { Upstream } from "./upstream.ts";

const BENCH_DIR = dirname(dirname(fileURLToPath(import.meta.url)));
const DOCS_DIR = join(dirname(BENCH_DIR), "docs/bench");

/** What a run works with from start to end. */
interface Run {
  readonly options: Options;
  readonly plan: Plan;
  readonly upstream: Upstream;
  readonly measures: Measures;
  readonly failures: Failure[];
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(USAGE);
    return;
  }
  const startedMs = performance.now();
  const plan = options.quick ? QUICK : FULL;
  endOnSignals(plan.limitMs);
  const cores = pinLoad();
  const { subjects, facts } = prepare(createSubjects(cores), options);
  const upstream = await startUpstream();
  const run: Run = { options, plan, upstream, measures: {}, failures: [] };
  try {
    await measureAlone(run, subjects);
    await measureTogether(run, subjects);
  } finally {
    killPrograms();
    upstream.close();
  }
  report(options, {
    date: new Date().toISOString(),
    seconds: (performance.now() - startedMs) / 1_000,
    quick: options.quick,
    machine: describeMachine(cores),
    subjects: facts,
    measures: run.measures,
    failures: run.failures,
    requirements: checkRequirements(run.measures),
  });
}

/** Whatever ends this process ends what it started, and a run that hangs ends too. */
function endOnSignals(limitMs: number): void {
  process.once("exit", killPrograms);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => process.exit(130));
  const limit = setTimeout(() => {
    process.stderr.write(`bench: not done after ${limitMs / 1_000} s, given up\n`);
    process.exit(1);
  }, limitMs);
  limit.unref();
}

function prepare(all: readonly Subject[], options: Options): { subjects: Subject[]; facts: SubjectFact[] } {
  const wanted = all.filter(({ name }) => (options.subjects as readonly string[]).includes(name));
  const facts = wanted.map((subject) => ({
    name: subject.name,
    title: subject.title,
    skipped: subject.prepare(),
  }));
  return { subjects: wanted.filter((_, i) => facts[i]!.skipped === null), facts };
}

/** What wants a fresh process, with no other subject beside it. */
async function measureAlone(
  { options, plan, upstream, measures, failures }: Run,
  subjects: readonly Subject[],
) {
  for (const subject of subjects) {
    try {
      if (options.only.includes("cold-start")) {
        say(`cold-start ${subject.name}`);
        (measures.coldStart ??= {})[subject.name] = await measureColdStart(subject, upstream, plan);
      }
      if (options.only.includes("memory")) {
        say(`memory ${subject.name}`);
        const running = await subject.start(upstream.url);
        (measures.memory ??= {})[subject.name] = await measureMemory(running, upstream, plan);
        await running.stop();
      }
    } catch (error) {
      failures.push({ subject: subject.name, measure: "start", reason: (error as Error).message });
      killPrograms();
    }
  }
}

type TogetherName = Exclude<MeasureName, "cold-start" | "memory">;

const TOGETHER: Record<TogetherName, (bench: Bench, measures: Measures) => Promise<void>> = {
  throughput: async (bench, measures) => void (measures.throughput = await measureThroughput(bench)),
  latency: async (bench, measures) => void (measures.latency = await measureLatency(bench)),
  growth: async (bench, measures) => void (measures.growth = await measureGrowth(bench)),
  "stream-rate": async (bench, measures) => void (measures.streamRate = await measureStreamRate(bench)),
  "first-token": async (bench, measures) => void (measures.firstToken = await measureFirstToken(bench)),
  paced: async (bench, measures) => void (measures.paced = await measurePaced(bench)),
};

/** What compares subjects round by round: all of them run, one at a time is used. */
async function measureTogether(
  { options, plan, upstream, measures, failures }: Run,
  subjects: readonly Subject[],
) {
  const wanted = options.only.filter((name): name is TogetherName => name in TOGETHER);
  if (wanted.length === 0) return;
  const running: Running[] = [directTo(upstream.url)];
  upstream.behave({ kind: "reply" });
  for (const subject of subjects) {
    try {
      running.push(await subject.start(upstream.url));
    } catch (error) {
      failures.push({ subject: subject.name, measure: "start", reason: (error as Error).message });
    }
  }
  const bench: Bench = { plan, upstream, running, failures };
  say("warming up");
  await warmUp(bench);
  for (const name of wanted) {
    say(name);
    await TOGETHER[name](bench, measures);
  }
}

async function warmUp({ plan, upstream, running }: Bench): Promise<void> {
  for (const stream of [false, true]) {
    upstream.behave(stream ? { kind: "burst", frames: 100 } : { kind: "reply" });
    for (const endpoint of running) {
      const request = chatRequest(endpoint, { stream });
      await runLoad({ endpoint, request, connections: 32, warmupMs: 0, durationMs: plan.warmupMs });
    }
  }
}

function report(options: Options, results: Results): void {
  process.stdout.write(renderReport(results));
  const json = `${JSON.stringify(results, null, 2)}\n`;
  write(join(BENCH_DIR, "results/latest.json"), json);
  if (!options.save) return;
  write(join(DOCS_DIR, "latest.json"), json);
  const caption = `Node ${results.machine.node}, one core for each proxy, ${results.date.slice(0, 10)}`;
  write(join(DOCS_DIR, "throughput.svg"), renderSvg(plotSubjects(results), caption));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

await main();
