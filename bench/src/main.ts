import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chatRequest } from "./chat-request.ts";
import { runLoad } from "./load.ts";
import { describeMachine, pinLoad } from "./machine.ts";
import { measureColdStart } from "./measure/cold-start.ts";
import { measureGrowth } from "./measure/growth.ts";
import { measureFirstToken, measureLatency } from "./measure/latency.ts";
import { measureMemory } from "./measure/memory.ts";
import { measurePaced } from "./measure/paced.ts";
import { measureStreamRate, measureThroughput } from "./measure/rate.ts";
import { measureTranslated } from "./measure/translated.ts";
import { readOptions, USAGE } from "./options.ts";
import type { MeasureName, Options } from "./options.ts";
import { FULL, QUICK } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { killPrograms, killProgramsOnExit } from "./process.ts";
import { plotSubjects, renderSvg } from "./report/svg.ts";
import { renderReport } from "./report/table.ts";
import { checkRequirements } from "./requirements.ts";
import type { Measures, Results, SubjectFact } from "./results.ts";
import { interleave } from "./rounds.ts";
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
  killProgramsOnExit();
  giveUpAfter(plan.limitMs);
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
  // A limit missed may be noise; a subject that broke is a fault.
  if (run.failures.length > 0) process.exitCode = 1;
}

/** A run that hangs ends too. */
function giveUpAfter(limitMs: number): void {
  const limit = setTimeout(() => {
    process.stderr.write(`bench: not done after ${limitMs / 1_000} s, given up\n`);
    process.exit(1);
  }, limitMs);
  limit.unref();
}

function prepare(all: readonly Subject[], options: Options): { subjects: Subject[]; facts: SubjectFact[] } {
  const wanted = all.filter(
    (subject) =>
      (options.subjects as readonly string[]).includes(subject.name) &&
      options.only.some((measure) => takesPart(subject, measure)),
  );
  const facts = wanted.map((subject) => ({
    name: subject.name,
    title: subject.title,
    skipped: subject.prepare(),
  }));
  return { subjects: wanted.filter((_, i) => facts[i]!.skipped === null), facts };
}

type Alone = (subject: Subject, run: Run) => Promise<void>;

/** What wants a fresh process, with no other subject beside it. */
const ALONE: Partial<Record<MeasureName, Alone>> = {
  async "cold-start"(subject, { upstream, plan, measures }) {
    (measures.coldStart ??= {})[subject.name] = await measureColdStart(subject, upstream, plan);
  },
  async memory(subject, { upstream, plan, measures }) {
    const running = await subject.start(upstream.url);
    (measures.memory ??= {})[subject.name] = await measureMemory(running, upstream, plan);
    await running.stop();
  },
};

async function measureAlone(run: Run, subjects: readonly Subject[]): Promise<void> {
  for (const subject of subjects) {
    for (const name of run.options.only) {
      const measure = ALONE[name];
      if (measure === undefined || !takesPart(subject, name)) continue;
      say(`${name} ${subject.name}`);
      try {
        await measure(subject, run);
      } catch (error) {
        run.failures.push({ subject: subject.name, measure: name, reason: (error as Error).message });
        killPrograms();
      }
    }
  }
}

type Together = (bench: Bench, measures: Measures) => Promise<void>;

/** What compares subjects round by round: all of them run, one at a time is used. */
const TOGETHER: Partial<Record<MeasureName, Together>> = {
  throughput: async (bench, measures) => void (measures.throughput = await measureThroughput(bench)),
  latency: async (bench, measures) => void (measures.latency = await measureLatency(bench)),
  growth: async (bench, measures) => void (measures.growth = await measureGrowth(bench)),
  "stream-rate": async (bench, measures) => void (measures.streamRate = await measureStreamRate(bench)),
  "first-token": async (bench, measures) => void (measures.firstToken = await measureFirstToken(bench)),
  paced: async (bench, measures) => void (measures.paced = await measurePaced(bench)),
  translated: async (bench, measures) => void (measures.translated = await measureTranslated(bench)),
};

async function measureTogether(run: Run, subjects: readonly Subject[]): Promise<void> {
  const { options, plan, upstream, measures, failures } = run;
  if (!options.only.some((name) => name in TOGETHER)) return;
  const running: Running[] = [directTo(upstream.url)];
  const start = async (subject: Subject): Promise<Running[]> => {
    upstream.behave({ kind: "reply" });
    try {
      return [{ ...(await subject.start(upstream.url)), measures: subject.measures }];
    } catch (error) {
      failures.push({ subject: subject.name, measure: "start", reason: (error as Error).message });
      return [];
    }
  };
  const renew = async (old: readonly Running[]): Promise<Running[]> => {
    const started: Running[] = [];
    for (const one of old) {
      const subject = subjects.find(({ name }) => name === one.name);
      if (subject) await one.stop();
      const fresh = subject ? await start(subject) : [one];
      running.splice(running.indexOf(one), 1, ...fresh);
      started.push(...fresh);
    }
    await warmUp({ ...bench, running: started });
    return started;
  };
  const bench: Bench = { plan, upstream, running, failures, renew };
  for (const subject of subjects) running.push(...(await start(subject)));
  say("warming up");
  await warmUp(bench);
  for (const name of options.only) {
    const measure = TOGETHER[name];
    if (measure === undefined) continue;
    say(name);
    await measure({ ...bench, running: running.filter((one) => takesPart(one, name)) }, measures);
  }
}

/** Translation is measured by one subject, which has backends of several dialects. */
function takesPart(of: Pick<Subject, "measures">, name: MeasureName): boolean {
  return of.measures?.includes(name) ?? name !== "translated";
}

async function warmUp(bench: Bench): Promise<void> {
  const { warmupMs } = bench.plan;
  for (const stream of [false, true]) {
    bench.upstream.behave(stream ? { kind: "burst", frames: 100 } : { kind: "reply" });
    await interleave(bench, "warm-up", 1, (endpoint) => {
      const request = chatRequest(endpoint, { stream });
      return runLoad({ endpoint, request, connections: 32, warmupMs: 0, durationMs: warmupMs });
    });
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

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
