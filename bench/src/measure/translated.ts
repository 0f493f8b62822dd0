import { chatRequest } from "../chat-request.ts";
import { runLoad } from "../load.ts";
import { interleave } from "../rounds.ts";
import type { Bench, BySubject } from "../rounds.ts";
import { median, medianDifference, medianRatio, percentile } from "../statistics.ts";

/** Streams of one gateway from backends of several dialects to clients of OpenAI's. Medians of the rounds. */
export interface Translated {
  readonly framesPerSecond: number;
  /** Of the streams whose dialect is the client's own, in the same round. */
  readonly ratioToSame: number;
  /** The same by processor time of the gateway. */
  readonly cpuRatioToSame: number;
  /** Median from the request to the first byte of the first frame, one client. */
  readonly firstTokenMs: number;
  /** Over streams of the client's own dialect, in the same round. */
  readonly firstTokenAddedMs: number;
  readonly errors: number;
}

/** Models of `configs/translated.config.ts` by the dialect of their backends. */
const MODELS: Readonly<Record<string, string>> = {
  "openai, as it is": "bench-model",
  "from ollama": "bench-ollama",
  "from anthropic": "bench-anthropic",
};
const SAME = "openai, as it is";

/** What translating costs: frames of 32 streams at once, and the first token of one. */
export async function measureTranslated(bench: Bench): Promise<BySubject<Translated>> {
  const [gateway] = bench.running;
  if (!gateway) return {};
  const running = Object.keys(MODELS).map((name) => ({ ...gateway, name }));
  const dialects = { ...bench, running };
  const run = (timing: { rounds: number; warmupMs: number; durationMs: number }, connections: number) =>
    interleave(dialects, "translated", timing.rounds, (one) =>
      runLoad({
        endpoint: one,
        request: chatRequest(one, { stream: true, model: MODELS[one.name]! }),
        connections,
        pid: one.pid,
        warmupMs: timing.warmupMs,
        durationMs: timing.durationMs,
      }),
    );
  bench.upstream.behave({ kind: "burst", frames: 500 });
  const bursts = await run(bench.plan.streamRate, 32);
  bench.upstream.behave({ kind: "burst", frames: 8 });
  const short = await run(bench.plan.firstToken, 1);
  const rates = (name: string) => (bursts.get(name) ?? []).map((load) => load.framesPerSecond);
  const ratesByCpu = (name: string) =>
    (bursts.get(name) ?? []).map((load) => load.framesPerSecond / load.subjectBusy);
  const firsts = (name: string) => (short.get(name) ?? []).map((load) => percentile(load.firstBytes, 0.5));
  return Object.fromEntries(
    [...bursts].map(([name, of]) => [
      name,
      {
        framesPerSecond: median(rates(name)),
        ratioToSame: medianRatio(rates(name), rates(SAME)),
        cpuRatioToSame: medianRatio(ratesByCpu(name), ratesByCpu(SAME)),
        firstTokenMs: median(firsts(name)),
        firstTokenAddedMs: medianDifference(firsts(name), firsts(SAME)),
        errors: [...of, ...(short.get(name) ?? [])].reduce((sum, load) => sum + load.errors, 0),
      },
    ]),
  );
}
