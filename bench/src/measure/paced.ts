import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { StampReader } from "../frames.ts";
import { chatRequest } from "../chat-request.ts";
import { openConnections } from "../connection.ts";
import type { Connection, Endpoint } from "../connection.ts";
import type { PacedCase } from "../plan.ts";
import { interleave } from "../rounds.ts";
import type { Bench, BySubject } from "../rounds.ts";
import { median, medianRatio, percentile } from "../statistics.ts";

/** Many slow streams at once. Times are from the upstream's write of a frame to its arrival, in milliseconds. */
export interface Paced {
  readonly streams: number;
  readonly intervalMs: number;
  /** Streams that came whole and in order, with a clean end, of all rounds together. */
  readonly complete: number;
  readonly started: number;
  /** Frames that did not come. */
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the bare proxy's in the same round; NaN without it. */
  readonly p50ToBare: number;
  readonly p99ToBare: number;
  /** The latest frame of all. */
  readonly maxMs: number;
}

export async function measurePaced(bench: Bench): Promise<BySubject<Paced[]>> {
  const results: BySubject<Paced[]> = {};
  for (const paced of bench.plan.paced) {
    bench.upstream.behave({ kind: "paced", frames: paced.frames, intervalMs: paced.intervalMs });
    const runs = await interleave(bench, "paced", paced.rounds, (running) => runStreams(running, paced));
    const values = (name: string, share: number) =>
      (runs.get(name) ?? []).map((run) => percentile(run.delays, share));
    for (const [name, of] of runs) {
      results[name] ??= [];
      results[name].push({
        streams: paced.streams,
        intervalMs: paced.intervalMs,
        complete: of.reduce((sum, run) => sum + run.complete, 0),
        started: paced.streams * of.length,
        lost: of.reduce((sum, run) => sum + run.lost, 0),
        p50Ms: median(values(name, 0.5)),
        p99Ms: median(values(name, 0.99)),
        p50ToBare: medianRatio(values(name, 0.5), values("bare", 0.5)),
        p99ToBare: medianRatio(values(name, 0.99), values("bare", 0.99)),
        maxMs: Math.max(...values(name, 1)),
      });
    }
  }
  return results;
}

interface PacedRun {
  readonly complete: number;
  readonly lost: number;
  /** One per frame, sorted. */
  readonly delays: Float64Array;
}

/** How long streams may take after the moment at which the upstream has written everything. */
const GRACE_MS = 10_000;

async function runStreams(endpoint: Endpoint, paced: PacedCase): Promise<PacedRun> {
  const connections = await openConnections(endpoint.port, paced.streams);
  const request = chatRequest(endpoint, { stream: true });
  const delays: number[] = [];
  const onFrame = (writtenMs: number) => delays.push(performance.now() - writtenMs);
  const stop = new AbortController();
  const streams = connections.map(async (connection, index) => {
    await sleep((index * paced.rampMs) / paced.streams);
    return receive(connection, request, new StampReader(onFrame));
  });
  const limitMs = paced.rampMs + paced.frames * paced.intervalMs * 1.5 + GRACE_MS;
  const limit = sleep(limitMs, undefined, { signal: stop.signal }).then(
    // A closed connection ends its stream, as broken.
    () => connections.forEach((connection) => connection.close()),
    () => {},
  );
  const received = await Promise.all(streams);
  stop.abort();
  await limit;
  for (const connection of connections) connection.close();
  return {
    complete: received.filter(({ frames, isClean }) => isClean && frames === paced.frames).length,
    lost: received.reduce((sum, { frames }) => sum + paced.frames - frames, 0),
    delays: Float64Array.from(delays).sort(),
  };
}

function receive(
  connection: Connection,
  request: Buffer,
  reader: StampReader,
): Promise<{ frames: number; isClean: boolean }> {
  return new Promise((resolve) => {
    connection.send(request, {
      body: (bytes) => reader.push(bytes),
      end: (status) => resolve({ frames: reader.next, isClean: status === 200 && reader.done }),
    });
  });
}
