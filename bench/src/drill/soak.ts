import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessMemory } from "../../configs/probe.ts";
import { chatRequest } from "../chat-request.ts";
import { Connection, openConnections } from "../connection.ts";
import type { Cores } from "../machine.ts";
import { startRedis } from "../redis.ts";
import { table } from "../report/table.ts";
import { flatnessOf } from "./flatness.ts";
import { startDrillGateway } from "./gateway.ts";
import type { DrillGateway } from "./gateway.ts";
import type { DrillOptions } from "./options.ts";
import { createRandom } from "./random.ts";
import { startDrillUpstream } from "./upstream.ts";
import type { Answer } from "./upstream.ts";
import type { Verdict } from "./verdict.ts";

/** Clients at once, half of them streaming. */
const CLIENTS = 64;
/** Share of upstream calls that fail, each kind as often as the others. */
const FAULTY = 0.05;
const FAULTS: readonly Answer[] = [
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "reset" },
  { kind: "cut" },
  { kind: "good", afterMs: 300 },
];
/** Of the failing calls: silent ones hold a client for seconds, and many of them would leave nobody to load. */
const SILENT = 0.01;
/** Share of clients that leave in the middle of a stream. */
const LEAVING = 0.01;
const SEED = 20_301;
const SAMPLE_MS = 10_000;
/** What caches, pools and compiled code take until then is not growth. */
const WARMUP_MS = 60_000;
/** Live heap, after a full collection: grown by so much of its median over the judged time, or above so many of it. */
const HEAP = { growth: 0.05, peak: 1.15 };
/** Resident memory holds garbage that is not collected yet, and what the allocator keeps. */
const RESIDENT = { growth: 0.1, peak: 1.25 };

interface Sample extends ProcessMemory {
  readonly seconds: number;
  readonly requests: number;
  readonly errors: number;
}

export interface Soak {
  readonly report: string;
  readonly verdicts: readonly Verdict[];
}

/** The traffic chain at full load with failing backends; samples are printed while they come. */
export async function soak(cores: Cores | null, { minutes, redis }: DrillOptions): Promise<Soak> {
  const store = redis ? await startRedis(cores) : undefined;
  const random = createRandom(SEED);
  const upstream = await startDrillUpstream(() => {
    if (random() >= FAULTY) return { kind: "good" };
    if (random() < SILENT) return { kind: "stall", halfway: random() < 0.5 };
    return FAULTS[Math.floor(random() * FAULTS.length)]!;
  });
  const gateway = await startDrillGateway({
    config: "soak",
    env: { BENCH_UPSTREAM: upstream.url, ...(store && { BENCH_REDIS: store.url }) },
    cores,
  });
  const ends = new Map<string, number>();
  let isOver = false;
  const clients = (await openConnections(gateway.port, CLIENTS)).map((connection, i) =>
    keepBusy(connection, { gateway, stream: i % 2 === 0, random, ends, isOver: () => isOver }),
  );
  try {
    const samples = await sampleMemory(gateway, minutes * 60_000, ends);
    isOver = true;
    await Promise.all(clients);
    return { report: endTable(ends), verdicts: judge(samples, ends, gateway) };
  } finally {
    isOver = true;
    await gateway.stop();
    await store?.stop();
    upstream.close();
  }
}

interface Client {
  readonly gateway: DrillGateway;
  readonly stream: boolean;
  readonly random: () => number;
  readonly ends: Map<string, number>;
  isOver(): boolean;
}

/** One request after the other, on a new connection where one was lost. */
async function keepBusy(first: Connection, client: Client): Promise<void> {
  const { gateway, stream, random, ends } = client;
  const request = chatRequest(gateway, { stream });
  let connection = first;
  while (!client.isOver()) {
    const leaves = stream && random() < LEAVING;
    const end = await exchange(connection, request, leaves);
    const kind = `${stream ? "stream" : "reply"}: ${end}`;
    ends.set(kind, (ends.get(kind) ?? 0) + 1);
    if (!connection.isOpen && !client.isOver()) {
      try {
        connection = await Connection.open(gateway.port);
      } catch {
        ends.set("connection refused", (ends.get("connection refused") ?? 0) + 1);
        await sleep(100);
      }
    }
  }
  connection.close();
}

/** In a few words, how it ended. */
function exchange(connection: Connection, request: Buffer, leaves: boolean): Promise<string> {
  return new Promise((resolve) => {
    // Of a stream, what tells its end; of an error, all of it.
    let tail = "";
    let errorAt = "";
    connection.send(request, {
      body(bytes) {
        tail = (tail + bytes.toString("latin1")).slice(-1_000);
        errorAt ||= /"code":"([^"]*)"/.exec(tail)?.[1] ?? "";
        if (leaves) connection.close();
      },
      end(status) {
        if (leaves) resolve("left by the client");
        else if (status === 0) resolve("broken off");
        else if (status !== 200) resolve(`${status} ${errorAt}`);
        else if (errorAt !== "") resolve(`error event ${errorAt}`);
        else if (tail.includes("[DONE]") || tail.endsWith("}")) resolve(WHOLE);
        else resolve(CUT);
      },
    });
  });
}

const WHOLE = "whole";
const CUT = "200, but not whole";

async function sampleMemory(
  gateway: DrillGateway,
  durationMs: number,
  ends: ReadonlyMap<string, number>,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const startedMs = performance.now();
  process.stdout.write("  seconds  requests/s  errors/s  resident MiB  live heap MiB\n");
  let [requests, errors] = [0, 0];
  for (let at = SAMPLE_MS; at <= durationMs; at += SAMPLE_MS) {
    await sleep(Math.max(0, startedMs + at - performance.now()));
    const ended = gateway.ended();
    if (ended !== null) throw new Error(`the gateway ${ended}`);
    const memory = await gateway.memory();
    gateway.takeLogLines();
    const all = [...ends.values()].reduce((sum, count) => sum + count, 0);
    const good = (ends.get(`reply: ${WHOLE}`) ?? 0) + (ends.get(`stream: ${WHOLE}`) ?? 0);
    const sample = { ...memory, seconds: at / 1_000, requests: all - requests, errors: all - good - errors };
    [requests, errors] = [all, all - good];
    samples.push(sample);
    process.stdout.write(`${sampleLine(sample)}\n`);
  }
  return samples;
}

function sampleLine({ seconds, requests, errors, residentBytes, heapUsedBytes }: Sample): string {
  const perSecond = (count: number) => ((count * 1_000) / SAMPLE_MS).toFixed(0);
  return [
    String(seconds).padStart(9),
    perSecond(requests).padStart(12),
    perSecond(errors).padStart(10),
    inMiB(residentBytes).padStart(14),
    inMiB(heapUsedBytes).padStart(15),
  ].join("");
}

function endTable(ends: ReadonlyMap<string, number>): string {
  const all = [...ends.values()].reduce((sum, count) => sum + count, 0);
  return table(
    "How requests ended",
    ["", "count", "share"],
    [...ends]
      .sort(([, a], [, b]) => b - a)
      .map(([kind, count]) => [kind, count.toLocaleString("en-US"), `${((100 * count) / all).toFixed(3)} %`]),
  );
}

function judge(
  samples: readonly Sample[],
  ends: ReadonlyMap<string, number>,
  gateway: DrillGateway,
): Verdict[] {
  const judged = samples.filter(({ seconds }) => seconds * 1_000 > WARMUP_MS);
  const cut = [...ends].filter(([kind]) => kind.endsWith(CUT)).reduce((sum, [, count]) => sum + count, 0);
  return [
    flat("live heap", judged, ({ heapUsedBytes }) => heapUsedBytes, HEAP),
    flat("resident memory", judged, ({ residentBytes }) => residentBytes, RESIDENT),
    {
      what: "no answer with status 200 that is not whole and does not say so",
      found: `${cut}`,
      isMet: cut === 0,
    },
    { what: "the gateway lives", found: gateway.ended() ?? "yes", isMet: gateway.ended() === null },
  ];
}

function flat(
  what: string,
  samples: readonly Sample[],
  bytesOf: (sample: Sample) => number,
  limits: { growth: number; peak: number },
): Verdict {
  const { median, growth, peak } = flatnessOf(samples.map(bytesOf));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return {
    what:
      `${what} is flat after the first minute: fitted line grows by at most ${percent(limits.growth)} ` +
      `of the median, largest at most ${limits.peak} times it`,
    found: `median ${inMiB(median)} MiB, line ${percent(growth)}, largest ${peak.toFixed(2)} times`,
    isMet: growth <= limits.growth && peak <= limits.peak,
  };
}

function inMiB(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
